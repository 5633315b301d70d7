import { invariant } from '@rerank-fleet/core/errors';

/** Place of one item in a lane: a list by age and a list of its length. */
export interface LaneNode<T> {
  readonly item: T;
  readonly length: number;
  older: LaneNode<T> | undefined;
  newer: LaneNode<T> | undefined;
  before: LaneNode<T> | undefined;
  after: LaneNode<T> | undefined;
  queued: boolean;
}

interface Bucket<T> {
  head: LaneNode<T> | undefined;
  tail: LaneNode<T> | undefined;
}

/**
 * Waiting items in order of age and, at once, in order of length. Adding and removing are O(1); the nearest length is found in a bitmap with a bit for each
 * length, a word of 32 at a time.
 */
export class LengthIndex<T> {
  readonly #buckets: (Bucket<T> | undefined)[] = [];
  #bits = new Uint32Array(16);
  #oldest: LaneNode<T> | undefined;
  #newest: LaneNode<T> | undefined;
  #size = 0;
  #tokens = 0;

  get size(): number {
    return this.#size;
  }

  /** Sum of the lengths. */
  get tokens(): number {
    return this.#tokens;
  }

  get oldest(): LaneNode<T> | undefined {
    return this.#oldest;
  }

  add(item: T, length: number): LaneNode<T> {
    invariant(Number.isInteger(length) && length > 0, 'A sequence without tokens was queued.');
    const node: LaneNode<T> = { item, length, older: this.#newest, newer: undefined, before: undefined, after: undefined, queued: true };
    if (this.#newest === undefined) this.#oldest = node;
    else this.#newest.newer = node;
    this.#newest = node;
    const bucket = (this.#buckets[length] ??= { head: undefined, tail: undefined });
    node.before = bucket.tail;
    if (bucket.tail === undefined) bucket.head = node;
    else bucket.tail.after = node;
    bucket.tail = node;
    this.#mark(length, true);
    this.#size += 1;
    this.#tokens += length;
    return node;
  }

  /** Removing a node twice is no error. */
  remove(node: LaneNode<T>): void {
    if (!node.queued) return;
    node.queued = false;
    if (node.older === undefined) this.#oldest = node.newer;
    else node.older.newer = node.newer;
    if (node.newer === undefined) this.#newest = node.older;
    else node.newer.older = node.older;
    const bucket = this.#buckets[node.length] as Bucket<T>;
    if (node.before === undefined) bucket.head = node.after;
    else node.before.after = node.after;
    if (node.after === undefined) bucket.tail = node.before;
    else node.after.before = node.before;
    if (bucket.head === undefined) this.#mark(node.length, false);
    this.#size -= 1;
    this.#tokens -= node.length;
  }

  /** The oldest item of the greatest length that is at most `length`. */
  atMost(length: number): LaneNode<T> | undefined {
    const top = Math.min(length, this.#bits.length * 32 - 1);
    if (top < 0) return undefined;
    for (let word = top >>> 5, mask = 0xffff_ffff >>> (31 - (top & 31)); word >= 0; word -= 1, mask = 0xffff_ffff) {
      const bits = (this.#bits[word]! & mask) >>> 0;
      if (bits !== 0) return this.#buckets[word * 32 + 31 - Math.clz32(bits)]?.head;
    }
    return undefined;
  }

  /** The oldest item of the least length that is at least `length`. */
  atLeast(length: number): LaneNode<T> | undefined {
    for (let word = length >>> 5, mask = (0xffff_ffff << (length & 31)) >>> 0; word < this.#bits.length; word += 1, mask = 0xffff_ffff) {
      const bits = (this.#bits[word]! & mask) >>> 0;
      if (bits !== 0) return this.#buckets[word * 32 + 31 - Math.clz32(bits & -bits)]?.head;
    }
    return undefined;
  }

  #mark(length: number, present: boolean): void {
    const word = length >>> 5;
    if (word >= this.#bits.length) {
      const grown = new Uint32Array(Math.max(word + 1, this.#bits.length * 2));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    if (present) this.#bits[word]! |= 1 << (length & 31);
    else this.#bits[word]! &= ~(1 << (length & 31));
  }
}
