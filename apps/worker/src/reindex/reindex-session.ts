import { randomUUID } from 'node:crypto';
import {
  beginValidation,
  claimedReindex,
  ClaimLostError,
  claimReindex,
  concludeReindex,
  openReindex,
  saveProgress,
  versionNumbered,
  type ReindexClaim,
  type ReindexProgress,
} from '@rerank-fleet/core/corpora';
import type {
  CorpusIncarnation,
  CorpusRecord,
  CorpusRef,
  CorpusVersion,
  ReindexRecord,
  ReindexValidation,
} from '@rerank-fleet/core/domain';
import { RerankError, invariant } from '@rerank-fleet/core/errors';
import { changeRecord } from './change-record.js';
import type { ReindexParts } from './reindex-parts.js';
import { Throttle } from './throttle.js';

/** Why the work stops in order: the worker does. */
export class WorkerStopsError extends Error {
  override readonly name = 'WorkerStopsError';
}

/**
 * The work of this process on one reindex, for as long as it has the claim to it. A timer stores progress, which holds the lease, and finds out what
 * others did to the record: a cancel, another rate, a deletion. Every write is refused once the claim is lost, so a process that was taken for dead can
 * store nothing over its successor.
 */
export class ReindexSession {
  readonly ref: CorpusIncarnation;
  /** The version to be filled, and the one that was promoted at the start. */
  readonly to: CorpusVersion;
  readonly from: CorpusVersion;
  readonly throttle: Throttle;
  progress: ReindexProgress;
  readonly #parts: ReindexParts;
  readonly #claim: ReindexClaim;
  readonly #controller = new AbortController();
  readonly #began = performance.now();
  readonly #before: Pick<ReindexRecord, 'workedMs' | 'throttledMs'>;
  readonly #timer: NodeJS.Timeout;
  #reindex: ReindexRecord;
  /** The first page is stored at once, so that a worker that dies time and again still gets on. */
  #savedAt = -Infinity;
  #metered: ReindexProgress;
  #writes: Promise<unknown> = Promise.resolve();
  #beating: Promise<void> | undefined;

  private constructor(parts: ReindexParts, record: CorpusRecord, reindex: ReindexRecord, claim: ReindexClaim) {
    this.#parts = parts;
    this.#claim = claim;
    this.#reindex = reindex;
    this.ref = { tenant: record.tenant, corpus: record.corpus, corpusId: record.corpusId };
    this.to = versionNumbered(record, reindex.toVersion);
    this.from = versionNumbered(record, reindex.fromVersion);
    this.throttle = new Throttle(reindex.requestsPerSecond);
    this.#before = reindex;
    this.progress = progressOf(reindex);
    this.#metered = this.progress;
    this.#timer = setInterval(() => void this.look(), parts.limits.beatMs);
  }

  /** Undefined if there is nothing to be done, or somebody else does it. */
  static async open(parts: ReindexParts, ref: CorpusRef): Promise<ReindexSession | undefined> {
    const owner = randomUUID();
    const { leaseMs } = parts.limits;
    const record = await changeRecord(parts.documents, ref, (found) => claimReindex(found, { owner, now: parts.now(), leaseMs }));
    const reindex = openReindex(record);
    if (reindex?.lease?.owner !== owner) return undefined;
    const { fence } = reindex.lease;
    return new ReindexSession(parts, record, reindex, { corpusId: record.corpusId, id: reindex.id, owner, fence });
  }

  get id(): string {
    return this.#claim.id;
  }

  /** Another process had it before, and may have died in the middle of a write. */
  get isTakenOver(): boolean {
    return this.#claim.fence > 1;
  }

  /** As it was last stored or seen. */
  get reindex(): ReindexRecord {
    return this.#reindex;
  }

  /** Aborts with ClaimLostError or WorkerStopsError. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  stop(): void {
    this.#controller.abort(new WorkerStopsError('The worker stops.'));
  }

  /** Sees what others did to the record, and stores progress when it is time to. */
  look(): Promise<void> {
    this.#beating ??= this.#beat().finally(() => (this.#beating = undefined));
    return this.#beating;
  }

  /** Makes sure that the claim still holds. @throws ClaimLostError */
  async confirm(): Promise<void> {
    this.#see(await this.#parts.documents.findCorpus(this.ref));
  }

  /** @throws the signal's reason */
  async save(): Promise<void> {
    await this.#write((record) => this.#withProgress(record, this.#parts.now() + this.#parts.limits.leaseMs));
  }

  /** @throws the signal's reason */
  async beginValidation(progress: ReindexProgress): Promise<void> {
    const { throttledMs, workedMs } = this.#told();
    await this.#write((record) => beginValidation(record, this.#claim, { ...progress, throttledMs, workedMs }));
    this.progress = progressOf(this.#reindex);
  }

  /** The end of the work. @throws the signal's reason */
  async conclude(validation: ReindexValidation): Promise<ReindexRecord> {
    const record = await this.#write((found) => concludeReindex(found, this.#claim, { validation, now: this.#parts.now() }));
    const concluded = record.reindexes?.find(({ id }) => id === this.id);
    invariant(concluded, 'A reindex went when it was concluded.');
    this.#controller.abort(new ClaimLostError('The work is done.'));
    return concluded;
  }

  /** Gives the lease back, with what was done, so that another process goes on at once. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#beating;
    await this.#writes;
    if (this.signal.reason instanceof ClaimLostError) return;
    await changeRecord(this.#parts.documents, this.ref, (record) => this.#withProgress(record, 0)).catch((error: unknown) => {
      if (!(error instanceof ClaimLostError))
        this.#parts.log.warn({ err: error, reindex: this.id }, 'A lease was not given back; it ends by itself.');
    });
  }

  async #beat(): Promise<void> {
    if (this.signal.aborted) return;
    try {
      if (performance.now() - this.#savedAt >= this.#parts.limits.saveMs) await this.save();
      else this.#see(await this.#parts.documents.findCorpus(this.ref));
    } catch (error) {
      // A lease that is over is no loss as long as nobody takes it: the next write says.
      if (!this.signal.aborted)
        this.#parts.log.warn({ err: error, reindex: this.id }, 'The record of a reindex is out of reach; it is tried again.');
    }
  }

  /** One after the other, so that what is stored never goes back. */
  async #write(change: (record: CorpusRecord) => CorpusRecord): Promise<CorpusRecord> {
    const written = this.#writes.then(async () => {
      this.signal.throwIfAborted();
      const record = await changeRecord(this.#parts.documents, this.ref, change).catch((error: unknown) => this.#lostBy(error));
      this.#savedAt = performance.now();
      this.#meter();
      if (openReindex(record)?.lease !== undefined) this.#see(record);
      return record;
    });
    this.#writes = written.catch(() => undefined);
    return await written;
  }

  #see(record: CorpusRecord | undefined): void {
    try {
      this.#adopt(claimedReindex(record, this.#claim));
      this.throttle.rate = this.#reindex.requestsPerSecond;
    } catch (error) {
      this.#lostBy(error);
    }
  }

  /** A change of the status that nobody heard of has come through nonetheless, with its counts: what was counted before must not go over them. */
  #adopt(found: ReindexRecord): void {
    if (found.status !== this.#reindex.status) this.progress = progressOf(found);
    this.#reindex = found;
  }

  #withProgress(record: CorpusRecord, until: number): CorpusRecord {
    this.#adopt(claimedReindex(record, this.#claim));
    return saveProgress(record, this.#claim, { progress: this.#told(), until });
  }

  #lostBy(error: unknown): never {
    const gone = error instanceof RerankError && error.code === 'corpus_not_found';
    const lost = gone ? new ClaimLostError('The corpus is gone.') : error;
    if (lost instanceof ClaimLostError) this.#controller.abort(lost);
    throw lost;
  }

  /** Progress with what goes by the clock. */
  #told(): ReindexProgress {
    const building = this.#reindex.status === 'building';
    return {
      ...this.progress,
      throttledMs: Math.round(this.#before.throttledMs + this.throttle.pausedMs),
      workedMs: building ? Math.round(this.#before.workedMs + performance.now() - this.#began) : this.progress.workedMs,
    };
  }

  #meter(): void {
    const { meter } = this.#parts;
    const now = this.#told();
    for (const outcome of ['created', 'updated', 'failed'] as const) {
      meter.documents(outcome, Math.max(0, now[outcome] - this.#metered[outcome]));
    }
    meter.throttled(Math.max(0, now.throttledMs - this.#metered.throttledMs));
    this.#metered = now;
  }
}

function progressOf(reindex: ReindexRecord): ReindexProgress {
  const { total, created, updated, failed, failures, throttledMs, workedMs, checkpoint, waiting, care } = reindex;
  return {
    ...{ total, created, updated, failed, failures, throttledMs, workedMs },
    ...(checkpoint === undefined ? {} : { checkpoint }),
    ...(waiting === undefined ? {} : { waiting }),
    ...(care === undefined ? {} : { care }),
  };
}
