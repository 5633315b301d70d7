import { invariant } from '@rerank-fleet/core/errors';

/** Longer graphemes are looked up by the character; as the reference does. */
const MOST_GRAPHEME_BYTES = 5;

const HAS_LEAF = 1 << 8;
const WIDE_OFFSET = 1 << 9;
const VALUE_BITS = 0x7fff_ffff;
/** What a unit must hold to be the child that a byte leads to; a value's top bit makes it none. */
const LABEL_BITS = 0x8000_00ff;

/** Where a run of characters may hold a grapheme of several: marks, joiners, jamo, flags, skin tones, Thai and Lao AM, CR LF. */
const MAY_JOIN = /[\p{M}\p{Cf}\p{Emoji_Modifier}\p{Regional_Indicator}\u0e33\u0eb3\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7fb\r\uff9e\uff9f]/u;
/** The character before belongs to the first mark of a run. */
const RUN = /[ -~]?[^ -~]+/g;

/**
 * sentencepiece's `precompiled_charsmap`: a darts-clone double array over UTF-8 bytes, then NUL-terminated replacements. The library approximates it by NFKC;
 * the reference looks each grapheme up, and takes the shortest entry that begins it.
 */
export class PrecompiledMap {
  readonly #units: Uint32Array;
  readonly #texts: Uint8Array;
  /** No map of a published model touches printable ASCII; with one that did, every character is looked up. */
  readonly #mapsPlain: boolean;
  readonly #graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
  readonly #bytes = new Uint8Array(8);
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  /** @param base64 as in tokenizer.json */
  constructor(base64: string) {
    const data = Buffer.from(base64, 'base64');
    const size = data.length < 4 ? 0 : data.readUInt32LE(0);
    invariant(size > 0 && size % 4 === 0 && size + 4 <= data.length, 'The precompiled_charsmap of tokenizer.json is damaged.');
    this.#units = Uint32Array.from({ length: size / 4 }, (_, index) => data.readUInt32LE(4 + 4 * index));
    this.#texts = data.subarray(4 + size);
    const plain = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));
    this.#mapsPlain = plain.some((character) => this.#lookUp(character) !== undefined);
  }

  readonly normalize = (text: string): string => {
    if (this.#mapsPlain) return this.#run(text);
    return text.replaceAll(RUN, (run) => this.#run(run));
  };

  #run(run: string): string {
    let normalized = '';
    const parts = MAY_JOIN.test(run) ? Array.from(this.#graphemes.segment(run), ({ segment }) => segment) : run;
    for (const part of parts) normalized += this.#lookUp(part) ?? this.#characters(part);
    return normalized;
  }

  #characters(grapheme: string): string {
    let normalized = '';
    for (const character of grapheme) normalized += this.#lookUp(character) ?? character;
    return normalized;
  }

  /** The replacement of the shortest entry that begins `part`; it stands for all of the part. */
  #lookUp(part: string): string | undefined {
    const { read, written } = this.#encoder.encodeInto(part, this.#bytes);
    if (read < part.length || written > MOST_GRAPHEME_BYTES) return undefined;
    let at = offsetOf(this.#units[0]!);
    for (let index = 0; index < written; index += 1) {
      const byte = this.#bytes[index]!;
      at ^= byte;
      const unit = this.#units[at] ?? 0;
      if ((unit & LABEL_BITS) >>> 0 !== byte) return undefined;
      at ^= offsetOf(unit);
      if ((unit & HAS_LEAF) !== 0) return this.#text((this.#units[at] ?? 0) & VALUE_BITS);
    }
    return undefined;
  }

  #text(start: number): string {
    const end = this.#texts.indexOf(0, start);
    return this.#decoder.decode(this.#texts.subarray(start, end < 0 ? undefined : end));
  }
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & WIDE_OFFSET) === 0 ? 0 : 8);
}
