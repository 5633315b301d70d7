import { LengthIndex, type LaneNode } from './length-index.js';

export type Priority = 'sync' | 'batch';

export interface PlannedItem {
  /** Tokens, special tokens included. */
  readonly length: number;
  readonly priority: Priority;
  /** Runs in a batch of its own. */
  readonly alone: boolean;
}

/** Share of padding in a batch beyond which no further item joins: below it a larger batch wins, above it the padding costs more. */
export const MOST_PADDING = 0.1;

/** One class of urgency. Items that run alone wait by age only. */
class Lane<T extends PlannedItem> {
  readonly together = new LengthIndex<T>();
  readonly alone = new LengthIndex<T>();

  /** The older of both. */
  oldest(arrivals: WeakMap<LaneNode<T>, number>): LaneNode<T> | undefined {
    const [shared, single] = [this.together.oldest, this.alone.oldest];
    if (shared === undefined || single === undefined) return shared ?? single;
    return arrivals.get(shared)! < arrivals.get(single)! ? shared : single;
  }
}

/** A handle to withdraw an item that is not yet in a batch. */
export type Withdraw = () => void;

/**
 * Decides which sequences run together. A batch starts with the most urgent item (sync before batch, then by age: nothing starves within its class)
 * and takes neighbours in length, the least padding first, as long as longest × count stays within the budget. A sync batch with room left
 * takes batch items no longer than its longest. O(1) an item, but for a scan of one bit a length.
 */
export class BatchPlanner<T extends PlannedItem> {
  readonly #lanes: Readonly<Record<Priority, Lane<T>>> = { sync: new Lane(), batch: new Lane() };
  readonly #arrivals = new WeakMap<LaneNode<T>, number>();
  #count = 0;

  get size(): number {
    return [...Object.values(this.#lanes)].reduce((sum, lane) => sum + lane.together.size + lane.alone.size, 0);
  }

  /** Tokens waiting, without padding. */
  get tokens(): number {
    return [...Object.values(this.#lanes)].reduce((sum, lane) => sum + lane.together.tokens + lane.alone.tokens, 0);
  }

  /** The item that the next batch starts with; of one class, if it is named. */
  next(priority?: Priority): T | undefined {
    return this.#anchor(priority)?.item;
  }

  add(item: T): Withdraw {
    const lane = this.#lanes[item.priority];
    const index = item.alone ? lane.alone : lane.together;
    const node = index.add(item, item.length);
    this.#arrivals.set(node, this.#count++);
    return () => index.remove(node);
  }

  /**
   * Takes the next batch out of the queue, longest first. `budget` is in padded tokens; an item longer than it comes alone. `priority` is of the item that it
   * starts with. Empty when nothing waits.
   */
  take(budget: number, priority?: Priority): T[] {
    const anchor = this.#anchor(priority);
    if (anchor === undefined) return [];
    const lane = this.#lanes[anchor.item.priority];
    if (anchor.item.alone) {
      lane.alone.remove(anchor);
      return [anchor.item];
    }
    lane.together.remove(anchor);
    const batch = new BatchInMaking(anchor, budget);
    fill(batch, lane.together, Infinity);
    if (anchor.item.priority === 'sync') fill(batch, this.#lanes.batch.together, batch.longest);
    return batch.items.sort((a, b) => b.length - a.length);
  }

  #anchor(priority?: Priority): LaneNode<T> | undefined {
    if (priority !== undefined) return this.#lanes[priority].oldest(this.#arrivals);
    return this.#lanes.sync.oldest(this.#arrivals) ?? this.#lanes.batch.oldest(this.#arrivals);
  }
}

class BatchInMaking<T extends PlannedItem> {
  readonly items: T[];
  readonly #budget: number;
  #tokens: number;
  longest: number;

  constructor(anchor: LaneNode<T>, budget: number) {
    this.items = [anchor.item];
    this.#budget = budget;
    this.#tokens = anchor.length;
    this.longest = anchor.length;
  }

  /** Padded tokens that the batch would gain without use; Infinity if the item does not fit. */
  wasteWith(length: number): number {
    const longest = Math.max(this.longest, length);
    const padded = longest * (this.items.length + 1);
    const padding = padded - this.#tokens - length;
    return padded > this.#budget || padding > padded * MOST_PADDING ? Infinity : padding;
  }

  take(node: LaneNode<T>): void {
    this.items.push(node.item);
    this.#tokens += node.length;
    this.longest = Math.max(this.longest, node.length);
  }
}

function fill<T extends PlannedItem>(batch: BatchInMaking<T>, index: LengthIndex<T>, longestAllowed: number): void {
  for (;;) {
    const below = index.atMost(Math.min(batch.longest, longestAllowed));
    const above = batch.longest + 1 > longestAllowed ? undefined : index.atLeast(batch.longest + 1);
    const wasteBelow = below === undefined ? Infinity : batch.wasteWith(below.length);
    const wasteAbove = above === undefined ? Infinity : batch.wasteWith(above.length);
    const node = wasteBelow <= wasteAbove ? below : above;
    if (node === undefined || Math.min(wasteBelow, wasteAbove) === Infinity) return;
    index.remove(node);
    batch.take(node);
  }
}
