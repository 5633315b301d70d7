import { hash } from 'node:crypto';

/** Three words of the id's hash, and the row that it was first seen in; row 0 stands for a free place. */
const WORDS = 4;
const FIRST_PLACES = 1_024;
/** Places taken before the table doubles. */
const FULL_AT = 0.7;

/**
 * Which ids a job has used. Ids are told apart by 96 bits of their SHA-256, so that a million of them take 32 MB, however long they are, and two are never taken
 * for one.
 */
export class SeenIds {
  #words = new Uint32Array(FIRST_PLACES * WORDS);
  #places = FIRST_PLACES;
  #taken = 0;

  /** The row that used the id before; undefined, noting it, if none did. Rows count from 1. */
  note(id: string, row: number): number | undefined {
    if (this.#taken >= this.#places * FULL_AT) this.#grow();
    const digest = hash('sha256', id, 'buffer');
    const place = this.#find([digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8)]);
    const before = this.#words[place + 3]!;
    if (before !== 0) return before;
    this.#words.set([digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8), row], place);
    this.#taken += 1;
    return undefined;
  }

  /** Offset of the key's place, or of the free one where it belongs. */
  #find([a, b, c]: readonly [number, number, number]): number {
    const words = this.#words;
    for (let place = a % this.#places; ; place = (place + 1) % this.#places) {
      const at = place * WORDS;
      if (words[at + 3] === 0 || (words[at] === a && words[at + 1] === b && words[at + 2] === c)) return at;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#places *= 2;
    this.#words = new Uint32Array(this.#places * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 3] !== 0) this.#words.set(old.subarray(at, at + WORDS), this.#find([old[at]!, old[at + 1]!, old[at + 2]!]));
    }
  }
}
