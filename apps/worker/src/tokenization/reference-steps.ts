import * as library from '@huggingface/tokenizers';
import { bertNormalizer, bertPreTokenize, type BertNormalizerConfig } from './bert-steps.js';
import { fuseUnknown, type UnknownToken } from './fuse-unknown.js';
import { normalizeForm } from './normalize-form.js';
import { PrecompiledMap } from './precompiled-map.js';
import { BYTE_LEVEL_WORD } from './reference-characters.js';
import { wordPiece, type WordPieceModel } from './word-piece.js';

/** What we use of the library's steps. Its own declarations import without extensions, which this module resolution does not follow. */
type Step<T> = abstract new () => T;
type FormStep = Step<{ readonly form: Parameters<typeof normalizeForm>[1]; normalize: (text: string) => string }>;
interface TokenModel extends Partial<UnknownToken> {
  fuse_unk: boolean;
  encode: (words: readonly string[]) => string[];
}
interface Steps {
  readonly BertNormalizer: Step<{ readonly config: BertNormalizerConfig; normalize: (text: string) => string }>;
  readonly PrecompiledNormalizer: Step<{ readonly charsmap: string | null; normalize: (text: string) => string }>;
  readonly NFCNormalizer: FormStep;
  readonly NFDNormalizer: FormStep;
  readonly NFKCNormalizer: FormStep;
  readonly NFKDNormalizer: FormStep;
  readonly SequenceNormalizer: Step<{ readonly normalizers: readonly unknown[] }>;
  readonly BertPreTokenizer: Step<{ pre_tokenize_text: (text: string) => string[] }>;
  readonly ByteLevelPreTokenizer: Step<{ pattern: RegExp }>;
  readonly WhitespaceSplitPreTokenizer: Step<{ pre_tokenize_text: (text: string) => string[] }>;
  readonly SequencePreTokenizer: Step<{ readonly tokenizers: readonly unknown[] }>;
  readonly Model: Step<TokenModel>;
  readonly WordPiece: Step<WordPieceModel & TokenModel>;
}
const steps = library as unknown as Steps;
const FORM_STEPS = [steps.NFCNormalizer, steps.NFDNormalizer, steps.NFKCNormalizer, steps.NFKDNormalizer];

/**
 * Puts steps that answer as the reference implementation does in the place of the library's that do not: its BERT normalizer misses ideographs beyond U+FFFF and
 * gives the last sigma of a word another form, its `Precompiled` is an approximation, and its classes of characters are of another Unicode. Its WordPiece is
 * right, but takes half of the time of all steps. Others of its steps take a time that grows with the square of a text.
 */
export function followReference(tokenizer: object): void {
  const { normalizer, pre_tokenizer, model } = tokenizer as Record<'normalizer' | 'pre_tokenizer' | 'model', unknown>;
  followNormalizer(normalizer);
  followPreTokenizer(pre_tokenizer);
  // Added tokens are in the vocabulary by now.
  if (model instanceof steps.WordPiece) model.encode = wordPiece(model);
  if (model instanceof steps.Model) fuseInTime(model);
}

function fuseInTime(model: TokenModel): void {
  const { tokens_to_ids, unk_token_id, unk_token, fuse_unk: fuses } = model;
  if (!fuses || tokens_to_ids === undefined || unk_token_id === undefined || unk_token === undefined) return;
  const encode = model.encode.bind(model);
  model.fuse_unk = false;
  model.encode = (words) => fuseUnknown(encode(words), { tokens_to_ids, unk_token_id, unk_token });
}

function followNormalizer(step: unknown): void {
  if (step instanceof steps.BertNormalizer) step.normalize = bertNormalizer(step.config);
  else if (step instanceof steps.PrecompiledNormalizer && step.charsmap !== null && step.charsmap !== '')
    step.normalize = new PrecompiledMap(step.charsmap).normalize;
  else if (FORM_STEPS.some((FormStep) => step instanceof FormStep)) followForm(step as InstanceType<FormStep>);
  else if (step instanceof steps.SequenceNormalizer) step.normalizers.forEach(followNormalizer);
}

function followForm(step: InstanceType<FormStep>): void {
  step.normalize = (text) => normalizeForm(text, step.form);
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
