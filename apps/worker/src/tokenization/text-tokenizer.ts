import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Tokenizer as UntypedTokenizer } from '@huggingface/tokenizers';
import { finish, type Steps } from '@rerank-fleet/core/retrieval';
import { z } from 'zod';
import { parseTemplate, type Template } from './pair-template.js';
import { followReference } from './reference-steps.js';

/** UTF-16 units of a piece of a text. */
export interface PieceSizes {
  /** A piece ends at the first space after so many: a millisecond or two. */
  readonly least: number;
  /** Without a space (CJK, a word a line), it ends after so many, wherever that is: ten milliseconds. What such a cut changes is near it. */
  readonly most: number;
}

const PIECES: PieceSizes = { least: 4_096, most: 8_192 };
/** Tokens before such a cut that may differ from those of the whole text: a WordPiece word has at most as many. */
const CUT_MARGIN = 128;
/**
 * A stretch without a space that gives few tokens (a word that is unknown as a whole, characters that are dropped) is taken as one up to this length, so
 * that its tokens are those of the whole. What is longer is no word.
 */
const LONGEST_STRETCH = 65_536;

/** What we use of the library. Its own declarations import without extensions, which this module resolution does not follow. */
type Tokenizer = { encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] } };
const Tokenizer = UntypedTokenizer as new (tokenizer: object, config: object) => Tokenizer;

const tokenizerFileSchema = z.looseObject({ post_processor: z.unknown() });

/** Token ids of one text, without special tokens. */
export interface TokenizedText {
  readonly ids: Int32Array;
  /** There were more tokens than asked for. */
  readonly cut: boolean;
}

/** A model's own tokenizer: its vocabulary, normalisation and template. Truncation and padding entries of tokenizer.json are ignored: both are ours. */
export class TextTokenizer {
  readonly template: Template;
  readonly #tokenizer: Tokenizer;
  readonly #sizes: PieceSizes;

  private constructor(tokenizer: Tokenizer, template: Template, sizes: PieceSizes) {
    this.#tokenizer = tokenizer;
    this.template = template;
    this.#sizes = sizes;
  }

  /** Reads tokenizer.json and, beside it, tokenizer_config.json if it is there. */
  static load(tokenizerPath: string, sizes = PIECES): TextTokenizer {
    const file = tokenizerFileSchema.parse(JSON.parse(readFileSync(tokenizerPath, 'utf8')));
    const tokenizer = new Tokenizer(file, z.looseObject({}).parse(JSON.parse(readConfig(tokenizerPath))));
    followReference(tokenizer);
    return new TextTokenizer(tokenizer, parseTemplate(file.post_processor), sizes);
  }

  /** Of the files that `load` reads: what is equal tokenizes alike. */
  static digest(tokenizerPath: string): string {
    return createHash('sha256').update(readFileSync(tokenizerPath)).update(readConfig(tokenizerPath)).digest('base64');
  }

  /** The first `maxTokens` tokens of a text; no more of it is tokenized than that takes. */
  tokenize(text: string, maxTokens: number): TokenizedText {
    return finish(this.tokenizeSteps(text, maxTokens));
  }

  /**
   * `tokenize` in steps. The tokens of the pieces in a row are those of the whole text, as every pre-tokenizer of the supported layouts splits at a space
   * after a word. Without one, those far enough from the cut are.
   */
  *tokenizeSteps(text: string, maxTokens: number): Steps<TokenizedText> {
    const pieces: Int32Array[] = [];
    let tokens = 0;
    for (let from = 0; from < text.length && tokens <= maxTokens;) {
      if (from > 0) yield;
      const wanted = Number.isFinite(maxTokens) ? maxTokens - tokens : CUT_MARGIN;
      const { ids, end } = yield* this.#stretch(text, from, wanted + CUT_MARGIN);
      pieces.push(ids);
      tokens += ids.length;
      from = end;
    }
    const cut = tokens > maxTokens;
    return { ids: joined(pieces, cut ? maxTokens : tokens), cut };
  }

  /** Tokens of the whole text. */
  count(text: string): number {
    return finish(this.countSteps(text, Infinity));
  }

  /** Tokens of the whole text; of one that has more than `enough`, any number beyond it. */
  *countSteps(text: string, enough: number): Steps<number> {
    const { ids, cut } = yield* this.tokenizeSteps(text, enough);
    return cut ? enough + 1 : ids.length;
  }

  /** The tokens up to a space, or as many as are wanted. */
  *#stretch(text: string, from: number, wanted: number): Steps<{ readonly ids: Int32Array; readonly end: number }> {
    for (let sizes = this.#sizes; ; sizes = { least: sizes.most, most: 2 * sizes.most }) {
      const { end, atSpace } = cutPiece(text, from, sizes);
      const ids = this.#encode(text.slice(from, end));
      if (atSpace || ids.length >= wanted || end - from >= LONGEST_STRETCH) return { ids, end };
      yield;
    }
  }

  #encode(text: string): Int32Array {
    return Int32Array.from(this.#tokenizer.encode(text, { add_special_tokens: false }).ids);
  }
}

function joined(pieces: readonly Int32Array[], tokens: number): Int32Array {
  const [first] = pieces;
  if (pieces.length === 1 && first?.length === tokens) return first;
  const ids = new Int32Array(tokens);
  let offset = 0;
  for (const piece of pieces) {
    ids.set(piece.subarray(0, tokens - offset), offset);
    offset += piece.length;
  }
  return ids;
}

function readConfig(tokenizerPath: string): string {
  try {
    return readFileSync(join(dirname(tokenizerPath), 'tokenizer_config.json'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '{}';
    throw error;
  }
}

interface Piece {
  readonly end: number;
  /** The next piece begins with a space after a word, or there is none. */
  readonly atSpace: boolean;
}

/** What no normalizer drops or makes a space of: pieces that part elsewhere may have a space too many, or join what is beside a form feed or U+FEFF. */
const SPACE_AFTER_WORD = /(?<=[[\p{L}\p{N}\p{P}]--\p{Default_Ignorable_Code_Point}]) /v;

/**
 * The first space after a word, `least` to `most` characters from `from`, or that far without one. Other white space will not do: some tokenizers do not
 * split at a line break, and byte-level ones take a run of spaces as a whole.
 */
function cutPiece(text: string, from: number, { least, most }: PieceSizes): Piece {
  if (text.length - from <= least) return { end: text.length, atSpace: true };
  const found = text.slice(from + least - 1, from + most).search(SPACE_AFTER_WORD);
  if (found >= 0) return { end: from + least - 1 + found, atSpace: true };
  if (text.length - from <= most) return { end: text.length, atSpace: true };
  const end = from + most;
  return { end: text.codePointAt(end - 1)! > 0xffff ? end + 1 : end, atSpace: false };
}
