import { timeOfJobId } from '../job-id.js';
import { finalCounts, type BatchJobs } from './batch-jobs.js';
import type { BatchDispatcher } from './batch-dispatcher.js';
import type { BatchLedger, CloseReason, LedgerJob, LedgerState, SliceCounts } from './batch-ledger.js';
import type { BatchDone, BatchRecord } from './batch-record.js';
import { UnreadableBlobError, undefinedIfUnreadable } from './unreadable-blob-error.js';

export interface BatchKeeperParts {
  readonly jobs: BatchJobs;
  readonly ledger: BatchLedger;
  readonly dispatcher: BatchDispatcher;
  /** Called when a job has ended, at least once: webhooks, budgets. The job stays open until it resolves. */
  readonly onEnded: (record: BatchRecord, done: BatchDone) => Promise<void>;
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

/** A slice that is out for so long is queued again, in case its task was lost or never came to be; one that is still there is left as it is. */
const OVERDUE_MS = 10_000;
/** Workers are told at once to leave a closed job; after so long it ends without those that do not answer. */
const CLOSING_MS = 10_000;
/** An entry of a job that never came to be is forgotten after this. */
const STILLBORN_MS = 24 * 3_600_000;
const HEADERS_AT_ONCE = 16;

/** What becomes of rows that never ran, by why the job was closed. */
const REST = { cancelled: 'cancelled', expired: 'expired', failed: 'errored' } as const satisfies Record<CloseReason, BatchDone['rest']>;

/**
 * Brings jobs to their end whatever process dies: hands lost slices out again, ends what is over, tells Redis again what it forgot. Any process may
 * do any of it at any time, and at the same time as others: every step may be repeated.
 */
export class BatchKeeper {
  readonly #parts: BatchKeeperParts;

  constructor(parts: BatchKeeperParts) {
    this.#parts = parts;
  }

  /** Takes a job that has just become visible into the ledger and hands out its first slices. */
  async admit(record: BatchRecord): Promise<void> {
    await this.#parts.ledger.open(ledgerJobOf(record));
    if (record.slices === 0) await this.finish(record.tenant, record.id);
    else await this.#parts.dispatcher.fill(record.pool);
  }

  /** Goes on with an admission that failed, wherever it did, however long ago. */
  async takeUp(record: BatchRecord): Promise<void> {
    if ((await this.#parts.ledger.state(record.id)) === undefined) await this.#restore(record);
    else await this.#parts.dispatcher.fill(record.pool);
  }

  /** Ends a job before its time; the first reason stays. Durable for a cancelling when it resolves. */
  async close(record: BatchRecord, reason: CloseReason): Promise<void> {
    if (reason === 'cancelled') await this.#parts.jobs.markCancelled(record);
    const outcome = await this.#parts.ledger.close(record.id, reason);
    if (outcome === 'unknown') await this.#restore(record);
    else if (outcome === 'last' || (await this.#dropQueued(record))) await this.finish(record.tenant, record.id);
  }

  /** Writes the job's end and tells those who wait for it. Only for a job of which nothing more is to come. */
  async finish(tenant: string, id: string): Promise<void> {
    const { jobs, ledger, onEnded } = this.#parts;
    const record = await jobs.record(tenant, id);
    if (record === undefined) return;
    const known = await jobs.done(record).catch(undefinedIfUnreadable);
    const state = known === undefined ? await ledger.seal(id) : undefined;
    const done = known ?? (state === undefined ? undefined : await jobs.end(record, doneOf(record, state, this.#parts.now())));
    if (done === undefined) return;
    await onEnded(record, done);
    await jobs.forgetOpen(record);
    await ledger.forget(id);
  }

  /** The quick sweep, every few seconds: only Redis is asked. */
  async sweep(): Promise<void> {
    const { ledger, dispatcher, now } = this.#parts;
    const { expired, finishable } = await ledger.due(now(), now() - CLOSING_MS);
    for (const id of expired) await this.#attempt(id, (record) => this.close(record, 'expired'));
    for (const id of finishable) await this.#attempt(id, ({ tenant }) => this.finish(tenant, id));
    for (const pool of await ledger.pools()) {
      await dispatcher.enqueue(pool, await ledger.overdue(pool, now() - OVERDUE_MS));
      await dispatcher.fill(pool);
    }
  }

  /** The thorough sweep, at start and every minute: jobs that the blob store has and Redis does not. */
  async recover(): Promise<void> {
    const { jobs, ledger, log } = this.#parts;
    for await (const { tenant, id } of jobs.open()) {
      try {
        const state = await ledger.state(id);
        if (state?.closing !== undefined) continue;
        const record = await jobs.record(tenant, id);
        if (record !== undefined && state === undefined) await this.#restore(record);
        // Somebody cancelled it while Redis was away.
        else if (record !== undefined && (await jobs.isCancelled(record))) await this.close(record, 'cancelled');
        else if (record === undefined && timeOfJobId(id) < this.#parts.now() - STILLBORN_MS) await jobs.forgetOpen({ tenant, id });
      } catch (error) {
        // Nothing can be done for it, and what it holds of the window others need.
        if (error instanceof UnreadableBlobError) await ledger.forget(id).catch(() => undefined);
        log.error({ err: error, job: id }, 'A job could not be taken up again; it is tried again.');
      }
    }
  }

  /** Slices that no worker has taken need not be waited for. True if nothing more is to come. */
  async #dropQueued({ id, pool, tenant }: BatchRecord): Promise<boolean> {
    const { ledger, dispatcher, log } = this.#parts;
    try {
      const dropped = (await ledger.flights(id)).map(async ({ slice, express }) =>
        (await dispatcher.discard(pool, { job: id, slice, express })) ? await ledger.drop(id, slice) : 'counted',
      );
      return (await Promise.all(dropped)).includes('last');
    } catch (error) {
      log.warn({ err: error, job: id, tenant }, 'Slices of a closed job could not be taken out of the queue; they are waited for.');
      return false;
    }
  }

  async #restore(record: BatchRecord): Promise<void> {
    const { jobs, ledger, dispatcher } = this.#parts;
    if ((await jobs.done(record).catch(undefinedIfUnreadable)) !== undefined) {
      await this.finish(record.tenant, record.id);
      return;
    }
    // Somebody may have removed it after its end.
    if (!(await jobs.isThere(record))) return;
    await ledger.open(ledgerJobOf(record), await this.#done(record));
    if (await jobs.isCancelled(record)) {
      await this.close(record, 'cancelled');
      return;
    }
    await dispatcher.fill(record.pool);
  }

  /** What the blobs say is done. Results that cannot be read are left to the worker that comes upon them. */
  async #done(record: BatchRecord): Promise<{ slices: number[]; counts: SliceCounts }> {
    const slices: number[] = [];
    const done: number[] = [];
    for await (const slice of this.#parts.jobs.slicesWithResults(record)) slices.push(slice);
    const counts = { succeeded: 0, errored: 0, cancelled: 0, expired: 0, pairs: 0 };
    for (let from = 0; from < slices.length; from += HEADERS_AT_ONCE) {
      const headers = await Promise.all(
        slices.slice(from, from + HEADERS_AT_ONCE).map((slice) => this.#parts.jobs.sliceHeader(record, slice).catch(undefinedIfUnreadable)),
      );
      for (const header of headers.filter((each) => each !== undefined)) {
        done.push(header.slice);
        counts.succeeded += header.succeeded;
        counts.errored += header.errored;
        counts.cancelled += header.cancelled;
        counts.expired += header.expired;
        counts.pairs += header.pairs;
      }
    }
    return { slices: done, counts };
  }

  /** One job's fault keeps no other from its end. */
  async #attempt(id: string, work: (record: BatchRecord) => Promise<void>): Promise<void> {
    const { jobs, ledger, log } = this.#parts;
    try {
      const state = await ledger.state(id);
      const record = state === undefined ? undefined : await jobs.readableRecord(state.job.tenant, id);
      if (record === undefined) await ledger.forget(id);
      else await work(record);
    } catch (error) {
      log.warn({ err: error, job: id }, 'A job could not be brought to its end; it is tried again.');
    }
  }
}

export function ledgerJobOf(record: BatchRecord): LedgerJob {
  const { id, tenant, pool, priority, slices, total, rejected, pairs, tokens } = record;
  return { id, tenant, pool, priority, slices, total, rejected, pairs, tokens, createdMs: record.created_ms, expiresMs: record.expires_ms };
}

function doneOf(record: BatchRecord, state: LedgerState, nowMs: number): BatchDone {
  const isWhole = state.slicesDone >= record.slices;
  const rest = state.closing === undefined || isWhole ? undefined : REST[state.closing];
  const request_counts = finalCounts(record, state, rest);
  const ended = request_counts.cancelled > 0 ? 'cancelled' : request_counts.expired > 0 ? 'expired' : 'completed';
  const status = state.closing === 'failed' ? 'failed' : ended;
  return {
    status,
    request_counts,
    pairs_done: state.pairs,
    ended_ms: nowMs,
    done_slices: state.doneSlices.toString('base64'),
    ...(state.startedMs === undefined ? {} : { started_ms: state.startedMs }),
    ...(rest === undefined ? {} : { rest }),
    ...(status === 'failed'
      ? { error: { code: 'internal_error', detail: 'The rows of the job could not be read; submit it again.' } }
      : {}),
  };
}
