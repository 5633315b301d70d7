import type { SparseVector } from '../domain/index.js';
import type { Steps } from './steps.js';

/** Terms sorted, counted or copied in one step. */
const STRETCH = 65_536;
const BUCKETS = 256;

/** The hashed terms of one text, repeats included. */
export class TermList {
  #terms = new Uint32Array(256);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(term: number): void {
    if (this.#length === this.#terms.length) {
      const more = new Uint32Array(this.#length * 2);
      more.set(this.#terms);
      this.#terms = more;
    }
    this.#terms[this.#length++] = term;
  }

  /** The distinct terms, ascending, with weights by how often they occur. Leaves the list sorted. */
  *weighed(weigh: (count: number) => number): Steps<SparseVector> {
    const terms = yield* this.#sorted();
    const starts: number[] = [];
    for (let at = 0; at < terms.length; at += 1) {
      if (at === 0 || terms[at] !== terms[at - 1]) starts.push(at);
      if (at % STRETCH === STRETCH - 1) yield;
    }
    const indices = new Uint32Array(starts.length);
    const values = new Float32Array(starts.length);
    for (let i = 0; i < starts.length; i += 1) {
      indices[i] = terms[starts[i]!]!;
      values[i] = weigh((starts[i + 1] ?? terms.length) - starts[i]!);
      if (i % STRETCH === STRETCH - 1) yield;
    }
    return { indices, values };
  }

  /** Many terms are spread over buckets by their first byte; hashes fill them evenly. */
  *#sorted(): Steps<Uint32Array> {
    const terms = this.#terms.subarray(0, this.#length);
    if (terms.length <= STRETCH) return terms.sort();
    const ends = new Uint32Array(BUCKETS);
    for (let at = 0; at < terms.length; at += 1) {
      ends[terms[at]! >>> 24]! += 1;
      if (at % STRETCH === STRETCH - 1) yield;
    }
    for (let bucket = 1; bucket < BUCKETS; bucket += 1) ends[bucket]! += ends[bucket - 1]!;
    const spread = new Uint32Array(terms.length);
    const next = Uint32Array.from(ends, (_, bucket) => ends[bucket - 1] ?? 0);
    for (let at = 0; at < terms.length; at += 1) {
      spread[next[terms[at]! >>> 24]!++] = terms[at]!;
      if (at % STRETCH === STRETCH - 1) yield;
    }
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      spread.subarray(ends[bucket - 1] ?? 0, ends[bucket]).sort();
      yield;
    }
    return spread;
  }
}
