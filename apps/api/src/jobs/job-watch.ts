import type { BeforeApplicationShutdown } from '@nestjs/common';
import { RerankError } from '@rerank-fleet/core/errors';
import type { BatchRecord, JobStanding } from '@rerank-fleet/core/jobs';
import type { Logger } from 'pino';
import type { JobView } from './job-view.js';

export interface JobWatchParts {
  readonly view: Pick<JobView, 'standing' | 'describeAs'>;
  /** Tells of which jobs something has changed; returns what ends the listening. */
  readonly listen: (listener: (job: string) => void) => () => void;
  readonly logger: Logger;
}

/** A job at a moment. */
export interface JobSnapshot {
  /** Another one when anything has changed; the same in every process. */
  readonly id: string;
  readonly standing: JobStanding;
  /** The job as clients see it, as JSON. Made once, for all who watch. */
  readonly body: () => Promise<string>;
}

/** Of a snapshot of a job that has ended. */
export const ENDED_ID = 'end';
/** Of a snapshot of a job that Redis does not know yet, or has forgotten. */
const UNKNOWN_ID = '0';

/** A watched job is looked at no more often than this, however many slices end… */
const GAP_MS = 250;
/** …and no less often, in case what tells of changes is lost. */
const POLL_MS = 2_000;
/** Longest silence towards a watcher. */
const HEARTBEAT_MS = 15_000;

/** Watches jobs for any number of clients: each is looked at once for all of them. */
export class JobWatch implements BeforeApplicationShutdown {
  readonly #parts: JobWatchParts;
  readonly #watched = new Map<string, WatchedJob>();
  #unlisten: (() => void) | undefined;
  #poll: NodeJS.Timeout | undefined;
  #isClosing = false;

  constructor(parts: JobWatchParts) {
    this.#parts = parts;
  }

  /** Jobs that somebody watches. */
  get size(): number {
    return this.#watched.size;
  }

  /**
   * The job now, and then whenever it has changed, at most four times a second; `undefined` where nothing changed for 15 seconds. Ends after the snapshot of a
   * job that has ended, or when the server closes.
   *
   * @throws RerankError `job_not_found` for one that was removed; the signal's reason
   */
  async *snapshots(record: BatchRecord, signal: AbortSignal): AsyncGenerator<JobSnapshot | undefined, void, undefined> {
    const job = this.#enter(record);
    try {
      let seen: string | undefined;
      await job.look(true);
      for (;;) {
        signal.throwIfAborted();
        const { latest } = job;
        if (job.fault !== undefined) throw job.fault;
        if (latest !== undefined && latest.id !== seen) {
          seen = latest.id;
          yield latest;
          if (latest.id === ENDED_ID) return;
        } else if (this.#isClosing) return;
        else if (!(await job.change(signal, HEARTBEAT_MS))) yield undefined;
      }
    } finally {
      this.#leave(job);
    }
  }

  /** Nobody waits on: clients come again, to another process. */
  beforeApplicationShutdown(): void {
    this.#isClosing = true;
    for (const job of this.#watched.values()) job.wake();
  }

  #enter(record: BatchRecord): WatchedJob {
    const job = this.#watched.get(record.id) ?? new WatchedJob(this.#parts, record);
    job.watchers += 1;
    this.#watched.set(record.id, job);
    this.#unlisten ??= this.#parts.listen((id) => this.#watched.get(id)?.hint());
    this.#poll ??= setInterval(() => {
      for (const each of this.#watched.values()) each.lookIfStale();
    }, POLL_MS / 2).unref();
    return job;
  }

  #leave(job: WatchedJob): void {
    job.watchers -= 1;
    if (job.watchers > 0) return;
    job.close();
    this.#watched.delete(job.record.id);
    if (this.#watched.size > 0) return;
    clearInterval(this.#poll);
    this.#unlisten?.();
    this.#poll = this.#unlisten = undefined;
  }
}

/** A job that is looked at for those who watch it. */
class WatchedJob {
  readonly record: BatchRecord;
  watchers = 0;
  latest: JobSnapshot | undefined;
  /** The job was removed. */
  fault: RerankError | undefined;
  readonly #parts: JobWatchParts;
  readonly #waiting = new Set<() => void>();
  #looks = 0;
  #latestLook = 0;
  #lookedAt = -Infinity;
  #planned: NodeJS.Timeout | undefined;

  constructor(parts: JobWatchParts, record: BatchRecord) {
    this.#parts = parts;
    this.record = record;
  }

  /** Something has changed: a look is taken now, or when the last one is long enough ago. */
  hint(): void {
    this.#planned ??= setTimeout(
      () => {
        this.#planned = undefined;
        void this.look();
      },
      Math.max(0, this.#lookedAt + GAP_MS - performance.now()),
    ).unref();
  }

  lookIfStale(): void {
    if (performance.now() - this.#lookedAt >= POLL_MS) void this.look();
  }

  /** Of looks at the same time the one that began last counts. A fault is mended by the next one, unless nothing is known at all. */
  async look(isFirst = false): Promise<void> {
    const number = (this.#looks += 1);
    this.#lookedAt = performance.now();
    try {
      const standing = await this.#parts.view.standing(this.record);
      if (number > this.#latestLook) this.#take(standing, number);
    } catch (error) {
      if (error instanceof RerankError && error.code === 'job_not_found') this.fault = error;
      else if (!(error instanceof RerankError))
        this.#parts.logger.error({ err: error, job: this.record.id }, 'a watched job could not be looked at');
      else if (isFirst && this.latest === undefined) this.#take({}, 0);
      this.wake();
    }
  }

  /** Resolves to whether something may have changed; false after `timeoutMs`. */
  change(signal: AbortSignal, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        this.#waiting.delete(changed);
      };
      const abort = (): void => {
        leave();
        reject(signal.reason as Error);
      };
      const changed = (): void => {
        leave();
        resolve(true);
      };
      const timer = setTimeout(() => {
        leave();
        resolve(false);
      }, timeoutMs);
      if (signal.aborted) {
        abort();
        return;
      }
      signal.addEventListener('abort', abort);
      this.#waiting.add(changed);
    });
  }

  wake(): void {
    for (const changed of [...this.#waiting]) changed();
  }

  close(): void {
    clearTimeout(this.#planned);
  }

  #take(standing: JobStanding, number: number): void {
    this.#latestLook = number;
    const id = snapshotId(standing);
    // Redis that has lost its memory says nothing new.
    if (id === this.latest?.id || (id === UNKNOWN_ID && this.latest !== undefined)) return;
    let body: Promise<string> | undefined;
    this.latest = {
      id,
      standing,
      body: () => (body ??= this.#parts.view.describeAs(this.record, standing).then((job) => JSON.stringify(job))),
    };
    this.wake();
  }
}

/** The ledger's version begins anew when Redis has lost its memory; with the slices that are done it names a state nevertheless. */
export function snapshotId({ state, done }: JobStanding): string {
  if (done !== undefined) return ENDED_ID;
  return state === undefined ? UNKNOWN_ID : `${state.version}.${state.slicesDone}`;
}
