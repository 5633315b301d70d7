import { RerankError } from '@rerank-fleet/core/errors';
import { ResultReading, type BatchJobs, type BatchRecord } from '@rerank-fleet/core/jobs';
import type { RequestContext } from '../http/request-context.js';
import type { JobView } from './job-view.js';
import { ENDED_ID, snapshotId, type JobWatch } from './job-watch.js';
import type { ResultsQuery } from './read-queries.js';

export interface JobStreamsParts {
  readonly jobs: BatchJobs;
  readonly view: JobView;
  readonly watch: JobWatch;
}

type Chunks<T extends Buffer | string> = AsyncGenerator<T, void, undefined>;

const EMPTY_LINE = Buffer.from('\n');

/** What of jobs is told as it comes. */
export class JobStreamsService {
  readonly #parts: JobStreamsParts;

  constructor(parts: JobStreamsParts) {
    this.#parts = parts;
  }

  /**
   * Result lines, as NDJSON.
   *
   * @throws RerankError `job_not_found`, `invalid_request` for a cursor, `queue_unavailable`
   */
  async results(id: string, query: ResultsQuery, { tenant, signal }: RequestContext): Promise<Chunks<Buffer>> {
    const { jobs, view } = this.#parts;
    const record = await view.record(tenant, id);
    // First, so that of a job that was removed nothing else is said.
    const standing = await view.standing(record);
    const reading = await ResultReading.open(jobs, record, query);
    return query.follow ? this.#follow(reading, record, signal) : reading.read(standing);
  }

  /**
   * The job as server-sent events; undefined where the client has seen its end.
   *
   * @throws RerankError `job_not_found`
   */
  async events(id: string, lastEventId: string | undefined, { tenant, signal }: RequestContext): Promise<Chunks<string> | undefined> {
    const { view } = this.#parts;
    const record = await view.record(tenant, id);
    if (lastEventId === ENDED_ID && snapshotId(await view.standing(record)) === ENDED_ID) return undefined;
    return this.#tell(record, lastEventId, signal);
  }

  async *#follow(reading: ResultReading, record: BatchRecord, signal: AbortSignal): Chunks<Buffer> {
    for await (const snapshot of this.#parts.watch.snapshots(record, signal)) {
      if (snapshot === undefined) yield EMPTY_LINE;
      else yield* reading.read(snapshot.standing);
      if (reading.isComplete) return;
    }
    // An answer that ends well is whole; this one the client shall go on with elsewhere.
    throw new RerankError('queue_unavailable', 'The server is closing.');
  }

  async *#tell(record: BatchRecord, lastEventId: string | undefined, signal: AbortSignal): Chunks<string> {
    yield 'retry: 2000\n\n';
    let last = lastEventId;
    for await (const snapshot of this.#parts.watch.snapshots(record, signal)) {
      if (snapshot === undefined) yield ':\n\n';
      else if (snapshot.id !== last) yield `id: ${snapshot.id}\nevent: job\ndata: ${await snapshot.body()}\n\n`;
      last = undefined;
    }
  }
}
