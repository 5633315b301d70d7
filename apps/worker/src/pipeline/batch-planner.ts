import { LengthIndex, type LaneNode } from './length-index.js';

export type Priority = 'sync' | 'batch';

/** Sync work goes first, but after this many turns of it in a row batch work that waits has one: a flood of calls must not stop an ingest or a job for good. */
export const SYNC_TURNS = 15;

export interface PlannedItem {
  /** Tokens, special tokens included. */
  readonly length: number;
  readonly priority: Priority;
  /** Runs in a batch of its own. */
  readonly alone: boolean;
  /** Of the request that it belongs to, the lower the older. Items that name none are of one request, the oldest. */
  readonly request?: number;
}

export interface TakeOptions {
  /** Padded tokens; an item longer than it comes alone. */
  readonly budget: number;
  /** Of the item that the batch starts with. @defaultValue sync if there is any */
  readonly priority?: Priority;
  /**
   * Items of its request go first, and others join only while the batch stays within so many padded tokens. Where it is left out, all that wait are alike:
   * the neighbour in length goes first, whosever it is.
   */
  readonly sharedBudget?: number;
  /** Most padding in tokens, below the share that is allowed anyway. @defaultValue Infinity */
  readonly mostPadding?: number;
}

/** What waits beside the item that goes next. */
export interface Waiting {
  /** Tokens of the oldest request, without padding. */
  readonly own: number;
  /** Items of it. */
  readonly ownItems: number;
  /** Requests of the same class behind it. */
  readonly requestsBehind: number;
  /** Their tokens, without padding. */
  readonly behind: number;
}

/** Share of padding in a batch beyond which no further item joins: below it a larger batch wins, above it the padding costs more. */
export const MOST_PADDING = 0.1;

interface Entry<T> {
  readonly item: T;
  readonly inLane: LaneNode<Entry<T>>;
  readonly inRequest: LaneNode<Entry<T>>;
}

/** What waits of one request. Items that run alone wait by age only. */
class RequestItems<T> {
  readonly together = new LengthIndex<Entry<T>>();
  readonly alone = new LengthIndex<Entry<T>>();

  get size(): number {
    return this.together.size + this.alone.size;
  }
}

/** One class of urgency: requests by age, and the items of all by length. */
class Lane<T extends PlannedItem> {
  readonly together = new LengthIndex<Entry<T>>();
  readonly alone = new LengthIndex<Entry<T>>();
  /** Oldest first. */
  #requests = new Map<number, RequestItems<T>>();
  #newest = -Infinity;

  get requests(): number {
    return this.#requests.size;
  }

  get oldest(): RequestItems<T> | undefined {
    return this.#requests.values().next().value;
  }

  add(item: T): Entry<T> {
    const request = this.#request(item.request ?? -1);
    const kind = item.alone ? 'alone' : 'together';
    const entry = { item } as { -readonly [Key in keyof Entry<T>]: Entry<T>[Key] };
    entry.inLane = this[kind].add(entry, item.length);
    entry.inRequest = request[kind].add(entry, item.length);
    return entry;
  }

  remove({ item, inLane, inRequest }: Entry<T>): boolean {
    if (!inLane.queued) return false;
    const request = this.#requests.get(item.request ?? -1) as RequestItems<T>;
    const kind = item.alone ? 'alone' : 'together';
    this[kind].remove(inLane);
    request[kind].remove(inRequest);
    if (request.size === 0) this.#requests.delete(item.request ?? -1);
    return true;
  }

  #request(age: number): RequestItems<T> {
    const known = this.#requests.get(age);
    if (known !== undefined) return known;
    const request = new RequestItems<T>();
    this.#requests.set(age, request);
    // Seldom: a request whose items come in parts was through with the first of them.
    if (age < this.#newest) this.#requests = new Map([...this.#requests].sort(([a], [b]) => a - b));
    else this.#newest = age;
    return request;
  }
}

/** A handle to withdraw an item that is not yet in a batch; false if it is no longer there. */
export type Withdraw = () => boolean;

/**
 * Decides which sequences run together. A batch starts with the most urgent item (sync before batch, then by age of its request, then by its own: nothing
 * starves within its class) and takes neighbours in length, the least padding first, as long as longest × count stays within the budget. Those of its request
 * may go first, so that requests end one after the other rather than all late. A sync batch with room left takes batch items no longer than its longest.
 * O(1) an item, but for a scan of one bit a length.
 */
export class BatchPlanner<T extends PlannedItem> {
  readonly #lanes: Readonly<Record<Priority, Lane<T>>> = { sync: new Lane(), batch: new Lane() };
  readonly #arrivals = new WeakMap<Entry<T>, number>();
  readonly #separateFrom: number;
  #count = 0;

  /** @param separateFrom tokens from which items go beside others of their own length only */
  constructor(separateFrom = Infinity) {
    this.#separateFrom = separateFrom;
  }

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

  /** What waits with that item. */
  waiting(priority?: Priority): Waiting {
    const item = this.next(priority);
    if (item === undefined) return { own: 0, ownItems: 0, requestsBehind: 0, behind: 0 };
    const lane = this.#lanes[item.priority];
    const { together, alone } = lane.oldest as RequestItems<T>;
    const own = together.tokens + alone.tokens;
    const behind = lane.together.tokens + lane.alone.tokens - own;
    return { own, ownItems: together.size + alone.size, requestsBehind: lane.requests - 1, behind };
  }

  add(item: T): Withdraw {
    const lane = this.#lanes[item.priority];
    const entry = lane.add(item);
    this.#arrivals.set(entry, this.#count++);
    return () => lane.remove(entry);
  }

  /** Takes the next batch out of the queue, longest first. Empty when nothing waits. */
  take({ budget, priority, sharedBudget, mostPadding = Infinity }: TakeOptions): T[] {
    const anchor = this.#anchor(priority);
    if (anchor === undefined) return [];
    const lane = this.#lanes[anchor.item.priority];
    const own = (lane.oldest as RequestItems<T>).together;
    lane.remove(anchor);
    if (anchor.item.alone) return [anchor.item];
    const batch = new BatchInMaking(anchor.item, { mostPadding, separateFrom: this.#separateFrom });
    const fill = (from: Lane<T>, index: LengthIndex<Entry<T>>, limits: FillLimits): void => {
      for (let entry = batch.nearest(index, limits); entry !== undefined; entry = batch.nearest(index, limits)) {
        from.remove(entry);
        batch.take(entry.item);
      }
    };
    if (sharedBudget !== undefined) fill(lane, own, { budget, longest: Infinity });
    const shared = { budget: sharedBudget ?? budget, longest: Infinity };
    fill(lane, lane.together, shared);
    if (anchor.item.priority === 'sync') fill(this.#lanes.batch, this.#lanes.batch.together, { ...shared, longest: batch.longest });
    return batch.items.sort((a, b) => b.length - a.length);
  }

  #anchor(priority?: Priority): Entry<T> | undefined {
    if (priority === undefined) return this.#anchor('sync') ?? this.#anchor('batch');
    const request = this.#lanes[priority].oldest;
    const [shared, single] = [request?.together.oldest?.item, request?.alone.oldest?.item];
    if (shared === undefined || single === undefined) return shared ?? single;
    return this.#arrivals.get(shared)! < this.#arrivals.get(single)! ? shared : single;
  }
}

interface FillLimits {
  /** Padded tokens. */
  readonly budget: number;
  /** Of an item that joins. */
  readonly longest: number;
}

interface PaddingLimits {
  /** Tokens of a batch. */
  readonly mostPadding: number;
  /** Tokens of its longest item from which it has no padding. */
  readonly separateFrom: number;
}

class BatchInMaking<T extends PlannedItem> {
  readonly items: T[];
  readonly #limits: PaddingLimits;
  #tokens: number;
  longest: number;

  constructor(first: T, limits: PaddingLimits) {
    this.items = [first];
    this.#limits = limits;
    this.#tokens = first.length;
    this.longest = first.length;
  }

  take(item: T): void {
    this.items.push(item);
    this.#tokens += item.length;
    this.longest = Math.max(this.longest, item.length);
  }

  /** The item that would pad the batch least, if one fits. */
  nearest(index: LengthIndex<Entry<T>>, { budget, longest }: FillLimits): Entry<T> | undefined {
    const below = index.atMost(Math.min(this.longest, longest));
    const above = this.longest + 1 > longest ? undefined : index.atLeast(this.longest + 1);
    const wasteBelow = below === undefined ? Infinity : this.#wasteWith(below.length, budget);
    const wasteAbove = above === undefined ? Infinity : this.#wasteWith(above.length, budget);
    if (Math.min(wasteBelow, wasteAbove) === Infinity) return undefined;
    return (wasteBelow <= wasteAbove ? below : above)?.item;
  }

  /** Padded tokens that the batch would gain without use; Infinity if the item does not fit. */
  #wasteWith(length: number, budget: number): number {
    const longest = Math.max(this.longest, length);
    const padded = longest * (this.items.length + 1);
    const padding = padded - this.#tokens - length;
    const most = longest >= this.#limits.separateFrom ? 0 : Math.min(padded * MOST_PADDING, this.#limits.mostPadding);
    return padded > budget || padding > most ? Infinity : padding;
  }
}
