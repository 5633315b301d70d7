import { splitSequences, type SequenceEncoder } from '../pipeline/sequence-encoder.js';
import type { TokenSequence } from '../pipeline/batch-runner.js';

/** About the mean of a query with a web passage (trec-dl19). */
export const SAMPLE_TOKENS = 96;

/** A sequence of exactly `length` tokens, of ids that the model has; what they mean does not matter to the time they take. */
export async function sampleSequence(encoder: SequenceEncoder, model: string, length: number): Promise<TokenSequence> {
  const [text] = splitSequences(await encoder.encodeTexts(model, ['how to prune an apple tree in the winter'], '')) as [TokenSequence];
  const at = (position: number): number => position % text.ids.length;
  return {
    ids: Int32Array.from({ length }, (_, position) => text.ids[at(position)]!),
    typeIds: Uint8Array.from({ length }, (_, position) => text.typeIds[at(position)]!),
  };
}
