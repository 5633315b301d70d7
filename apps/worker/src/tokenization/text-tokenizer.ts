import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Tokenizer as UntypedTokenizer } from '@huggingface/tokenizers';
import { z } from 'zod';
import { parseTemplate, type Template } from './pair-template.js';
import { followReference } from './reference-steps.js';

/** A text is cut before tokenizing at this many characters for each token wanted, at a space; the count doubles until it suffices. */
const CHARACTERS_PER_TOKEN = 12;
/** A space is looked for at most this far beyond the cut. */
const CUT_SEARCH = 1_024;
/**
 * Without any space (CJK, a word a line), the text is cut at this many times as many characters, wherever that is: what a cut changes is near it, and
 * the tokens wanted are far from it. Megabytes of such text would hold the tokenizer, and all calls behind it, for half a minute.
 */
const CUT_FAR = 16;
/** Tokens at a cut that may differ from those of the whole text. */
const CUT_MARGIN = 8;

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

  private constructor(tokenizer: Tokenizer, template: Template) {
    this.#tokenizer = tokenizer;
    this.template = template;
  }

  /** Reads tokenizer.json and, beside it, tokenizer_config.json if it is there. */
  static load(tokenizerPath: string): TextTokenizer {
    const file = tokenizerFileSchema.parse(JSON.parse(readFileSync(tokenizerPath, 'utf8')));
    const tokenizer = new Tokenizer(file, readConfig(join(dirname(tokenizerPath), 'tokenizer_config.json')));
    followReference(tokenizer);
    return new TextTokenizer(tokenizer, parseTemplate(file.post_processor));
  }

  /**
   * The first `maxTokens` tokens of a text. A long text is not tokenized whole: a prefix that ends at a space after a word has the same first tokens, as
   * every pre-tokenizer of the supported layouts splits there.
   */
  tokenize(text: string, maxTokens: number): TokenizedText {
    for (let characters = (maxTokens + CUT_MARGIN) * CHARACTERS_PER_TOKEN; ; characters *= 2) {
      const end = cutPoint(text, characters);
      const ids = this.#encode(end === text.length ? text : text.slice(0, end));
      if (end === text.length || ids.length >= maxTokens + CUT_MARGIN) {
        return ids.length > maxTokens ? { ids: ids.slice(0, maxTokens), cut: true } : { ids, cut: false };
      }
    }
  }

  /** Tokens of the whole text. */
  count(text: string): number {
    return this.#encode(text).length;
  }

  #encode(text: string): Int32Array {
    return Int32Array.from(this.#tokenizer.encode(text, { add_special_tokens: false }).ids);
  }
}

function readConfig(path: string): object {
  try {
    return z.looseObject({}).parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}

/**
 * The first space after a word at or after `from`, a point far beyond where there is none, or the end of the text. Other white space will not do: some tokenizers drop a form feed or U+FEFF and
 * join what is beside it, some do not split at a line break, and byte-level ones take a run of spaces as a whole.
 */
function cutPoint(text: string, from: number): number {
  if (text.length <= from) return text.length;
  const found = text.slice(from - 1, from + CUT_SEARCH).search(/\S /);
  if (found >= 0) return from + found;
  const far = from * CUT_FAR;
  if (far >= text.length) return text.length;
  return text.codePointAt(far - 1)! > 0xffff ? far + 1 : far;
}
