import * as library from '@huggingface/tokenizers';
import { bertNormalizer, bertPreTokenize, type BertNormalizerConfig } from './bert-steps.js';
import { PrecompiledMap } from './precompiled-map.js';
import { BYTE_LEVEL_WORD } from './reference-characters.js';
import { wordPiece, type WordPieceModel } from './word-piece.js';

/** What we use of the library's steps. Its own declarations import without extensions, which this module resolution does not follow. */
type Step<T> = abstract new () => T;
interface Steps {
  readonly BertNormalizer: Step<{ readonly config: BertNormalizerConfig; normalize: (text: string) => string }>;
  readonly PrecompiledNormalizer: Step<{ readonly charsmap: string | null; normalize: (text: string) => string }>;
  readonly SequenceNormalizer: Step<{ readonly normalizers: readonly unknown[] }>;
  readonly BertPreTokenizer: Step<{ pre_tokenize_text: (text: string) => string[] }>;
  readonly ByteLevelPreTokenizer: Step<{ pattern: RegExp }>;
  readonly WhitespaceSplitPreTokenizer: Step<{ pre_tokenize_text: (text: string) => string[] }>;
  readonly SequencePreTokenizer: Step<{ readonly tokenizers: readonly unknown[] }>;
  readonly WordPiece: Step<WordPieceModel & { encode: (words: readonly string[]) => string[] }>;
}
const steps = library as unknown as Steps;

/**
 * Puts steps that answer as the reference implementation does in the place of the library's that do not: its BERT normalizer misses ideographs beyond U+FFFF and
 * gives the last sigma of a word another form, its `Precompiled` is an approximation, and its classes of characters are of another Unicode. Its WordPiece is
 * right, but takes half of the time of all steps.
 */
export function followReference(tokenizer: object): void {
  const { normalizer, pre_tokenizer, model } = tokenizer as Record<'normalizer' | 'pre_tokenizer' | 'model', unknown>;
  followNormalizer(normalizer);
  followPreTokenizer(pre_tokenizer);
  // Added tokens are in the vocabulary by now.
  if (model instanceof steps.WordPiece) model.encode = wordPiece(model);
}

function followNormalizer(step: unknown): void {
  if (step instanceof steps.BertNormalizer) step.normalize = bertNormalizer(step.config);
  else if (step instanceof steps.PrecompiledNormalizer && step.charsmap !== null && step.charsmap !== '')
    step.normalize = new PrecompiledMap(step.charsmap).normalize;
  else if (step instanceof steps.SequenceNormalizer) step.normalizers.forEach(followNormalizer);
}

function followPreTokenizer(step: unknown): void {
  if (step instanceof steps.BertPreTokenizer) step.pre_tokenize_text = bertPreTokenize;
  else if (step instanceof steps.ByteLevelPreTokenizer) step.pattern = BYTE_LEVEL_WORD;
  else if (step instanceof steps.WhitespaceSplitPreTokenizer) step.pre_tokenize_text = splitAtWhiteSpace;
  else if (step instanceof steps.SequencePreTokenizer) step.tokenizers.forEach(followPreTokenizer);
}

function splitAtWhiteSpace(text: string): string[] {
  return text.match(/\P{White_Space}+/gu) ?? [];
}
