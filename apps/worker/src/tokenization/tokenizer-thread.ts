import { parentPort, workerData } from 'node:worker_threads';
import { invariant, RerankError } from '@rerank-fleet/core/errors';
import type { EncodedSequences } from '../pipeline/sequence-encoder.js';
import { PairEncoder } from './pair-encoder.js';
import { TextTokenizer } from './text-tokenizer.js';
import type { TokenizerCall, TokenizerMessage, TokenizerReply, TokenizerThreadData } from './tokenizer-messages.js';

const port = parentPort;
invariant(port, 'The tokenizer thread was started outside a worker thread.');

const { models } = workerData as TokenizerThreadData;
const encoders = new Map(models.map((model) => [model.sha256, new PairEncoder(TextTokenizer.load(model.tokenizerPath), model.maxLength)]));

function answer({ id, work }: TokenizerCall): { message: TokenizerMessage; transfer: ArrayBuffer[] } {
  const encoder = encoders.get(work.model);
  invariant(encoder, 'A text was sent to a tokenizer that is not loaded.');
  if (work.kind === 'count') {
    const counts = encoder.countTokens(work.texts);
    return { message: { id, counts }, transfer: [counts.buffer as ArrayBuffer] };
  }
  if (work.kind === 'pairs') {
    const pairs = encoder.encodePairs(work.request);
    return { message: { id, pairs }, transfer: buffersOf(pairs) };
  }
  const sequences = encoder.encodeTexts(work.texts, work.prefix);
  return { message: { id, sequences }, transfer: buffersOf(sequences) };
}

function buffersOf({ ids, typeIds, lengths, truncated }: EncodedSequences): ArrayBuffer[] {
  return [ids.buffer, typeIds.buffer, lengths.buffer, truncated.buffer] as ArrayBuffer[];
}

/** What went wrong inside is for the log, not for the client. */
function describe(error: unknown): Extract<TokenizerReply, { error: unknown }>['error'] {
  if (error instanceof RerankError) return { code: error.code, detail: error.detail, errors: error.errors };
  return { code: 'internal_error', detail: 'The tokenizer failed on one of the texts.', errors: [], cause: String(error) };
}

port.on('message', (call: TokenizerCall) => {
  try {
    const { message, transfer } = answer(call);
    port.postMessage(message, transfer);
  } catch (error) {
    port.postMessage({ id: call.id, error: describe(error) } satisfies TokenizerMessage);
  }
});

port.postMessage({ ready: true } satisfies TokenizerMessage);
