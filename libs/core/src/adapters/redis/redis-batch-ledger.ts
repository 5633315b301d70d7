import type { Redis } from 'ioredis';
import type {
  BatchLedger,
  CloseReason,
  CommitOutcome,
  DropOutcome,
  LedgerJob,
  LedgerState,
  SliceCounts,
  SliceRef,
} from '../../jobs/index.js';
import { BACKLOG, CLOSE, COMMIT, DROP, DUE, FLIGHTS, FORGET, OPEN, OVERDUE, SEAL } from './batch-ledger-scripts.js';
import { PICK } from './batch-pick-script.js';
import { KEY_PREFIX, orQueueUnavailable } from './redis-connection.js';
import { CANCEL_CHANNEL, cancelKey } from './result-board.js';

const PREFIX = `${KEY_PREFIX}:batch`;
/** Ids of jobs of which something has changed. */
export const BATCH_EVENTS_CHANNEL = `${PREFIX}:events`;

/** Slices that a tenant gets at once when it comes with nothing in flight. */
const NEW_FLOW_SLICES = 2;
const PRIORITY_STEP_MS = 60_000;
/** Longer than a task waits in the queue when its job is closed. */
const CLOSED_MARK_MS = 3_600_000;
/** Of a job that an older release took in, which did not keep its tokens. */
const USUAL_PAIR_TOKENS = 128;
/** A job that is nearly due, or over it, is given this share of the time that jobs have: else its last rows would ask for the whole fleet. */
const LEAST_TIME = 0.25;

/** What the open batch jobs of a pool have left. */
export interface BatchBacklog {
  readonly tokens: number;
  readonly slices: number;
  /** By which each job is done in time. */
  readonly tokensPerS: number;
}

const NOTHING: SliceCounts = { succeeded: 0, errored: 0, cancelled: 0, expired: 0, pairs: 0 };

export class RedisBatchLedger implements BatchLedger {
  readonly #redis: Redis;
  readonly #now: () => number;

  /** @param now epoch milliseconds, the same for all processes */
  constructor(redis: Redis, now: () => number) {
    this.#redis = redis;
    this.#now = now;
  }

  async open(job: LedgerJob, done?: { readonly slices: readonly number[]; readonly counts: SliceCounts }): Promise<boolean> {
    const { id, tenant, pool, priority, createdMs, expiresMs, slices, total, rejected, pairs, tokens } = job;
    const turn = createdMs + priority * PRIORITY_STEP_MS;
    const facts = [id, tenant, pool, priority, createdMs, expiresMs, slices, total, rejected, pairs, turn, this.#now()];
    const opened = await this.#run(OPEN, [
      ...facts,
      bitmapOf(done?.slices ?? []),
      ...inOrder(done?.counts ?? NOTHING),
      tokens,
      NEW_FLOW_SLICES,
    ]);
    return opened === 1;
  }

  async pick(
    pool: string,
    { capacity, weights = {} }: { readonly capacity: number; readonly weights?: Readonly<Record<string, number>> },
  ): Promise<readonly SliceRef[]> {
    const found = await this.#run(PICK, [pool, capacity, this.#now(), JSON.stringify(weights), NEW_FLOW_SLICES]);
    return slicesIn(found);
  }

  async commit(job: string, slice: number, counts: SliceCounts): Promise<CommitOutcome> {
    return (await this.#run(COMMIT, [job, slice, ...inOrder(counts), this.#now()])) as CommitOutcome;
  }

  async close(job: string, reason: CloseReason): Promise<'closing' | 'last' | 'unknown'> {
    const closed = await this.#run(CLOSE, [job, reason, this.#now(), cancelKey(job), CLOSED_MARK_MS, CANCEL_CHANNEL]);
    return closed as 'closing' | 'last' | 'unknown';
  }

  async flights(job: string): Promise<readonly { readonly slice: number; readonly express: boolean }[]> {
    const found = (await this.#run(FLIGHTS, [job])) as (string | number)[];
    return chunksOf(found, 2).map(([slice, express]) => ({ slice: Number(slice), express: Number(express) === 1 }));
  }

  async drop(job: string, slice: number): Promise<DropOutcome> {
    return (await this.#run(DROP, [job, slice, this.#now()])) as DropOutcome;
  }

  async seal(job: string): Promise<LedgerState | undefined> {
    return (await this.#run(SEAL, [job])) === 1 ? await this.state(job) : undefined;
  }

  async forget(job: string): Promise<void> {
    await this.#run(FORGET, [job]);
  }

  async state(job: string): Promise<LedgerState | undefined> {
    const [fields, bits] = await orQueueUnavailable(
      Promise.all([this.#redis.hgetall(`${PREFIX}:job:${job}`), this.#redis.getBuffer(`${PREFIX}:done:${job}`)]),
    );
    return fields['tenant'] === undefined ? undefined : stateOf(job, fields, bits ?? Buffer.alloc(0));
  }

  async overdue(pool: string, epochMs: number): Promise<readonly SliceRef[]> {
    return slicesIn(await this.#run(OVERDUE, [pool, epochMs, this.#now(), NEW_FLOW_SLICES]));
  }

  async due(
    nowMs: number,
    closedBeforeMs: number,
  ): Promise<{ readonly expired: readonly string[]; readonly finishable: readonly string[] }> {
    const found = (await this.#run(DUE, [nowMs, closedBeforeMs])) as string[];
    const border = found.indexOf('');
    return { expired: found.slice(0, border), finishable: found.slice(border + 1) };
  }

  async pools(): Promise<readonly string[]> {
    return await orQueueUnavailable(this.#redis.smembers(`${PREFIX}:pools`));
  }

  /** @param withinMs after its submission a job should be done */
  async backlog(pool: string, withinMs: number): Promise<BatchBacklog> {
    const values = [pool, this.#now(), withinMs, withinMs * LEAST_TIME, USUAL_PAIR_TOKENS];
    const [tokens, slices, perS] = (await this.#run(BACKLOG, values)) as [string, number, string];
    return { tokens: Number(tokens), slices, tokensPerS: Number(perS) };
  }

  #run(script: string, values: readonly (string | number | Buffer)[]): Promise<unknown> {
    return orQueueUnavailable(this.#redis.eval(script, 1, PREFIX, ...values));
  }
}

function inOrder({ succeeded, errored, cancelled, expired, pairs }: SliceCounts): number[] {
  return [succeeded, errored, cancelled, expired, pairs];
}

function stateOf(id: string, fields: Readonly<Record<string, string>>, doneSlices: Buffer): LedgerState {
  const count = (name: string): number => Number(fields[name] ?? 0);
  return {
    job: {
      id,
      tenant: fields['tenant'] ?? '',
      pool: fields['pool'] ?? '',
      priority: count('priority'),
      createdMs: count('created'),
      expiresMs: count('expires'),
      slices: count('slices'),
      total: count('total'),
      rejected: count('rejected'),
      pairs: count('pairs'),
      tokens: count('tokens'),
    },
    succeeded: count('succeeded'),
    errored: count('errored'),
    cancelled: count('cancelled'),
    expired: count('expired'),
    pairs: count('pairs_done'),
    inFlight: count('flying'),
    slicesDone: count('done'),
    version: count('version'),
    doneSlices,
    ...(fields['closing'] === undefined ? {} : { closing: fields['closing'] as CloseReason }),
    ...(fields['started'] === undefined ? {} : { startedMs: Number(fields['started']) }),
  };
}

/** Bit 0 of byte 0 is the most significant, as Redis has it. */
function bitmapOf(slices: readonly number[]): Buffer {
  const bits = Buffer.alloc(slices.reduce((bytes, slice) => Math.max(bytes, (slice >> 3) + 1), 0));
  for (const slice of slices) bits[slice >> 3]! |= 0x80 >> (slice & 7);
  return bits;
}

/** As scripts tell them: id, slice, tenant, express of each. */
function slicesIn(found: unknown): SliceRef[] {
  return chunksOf(found as (string | number)[], 4).map(([job, slice, tenant, express]) => ({
    job: String(job),
    slice: Number(slice),
    tenant: String(tenant),
    express: Number(express) === 1,
  }));
}

function chunksOf<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: list.length / size }, (_, position) => list.slice(position * size, (position + 1) * size));
}
