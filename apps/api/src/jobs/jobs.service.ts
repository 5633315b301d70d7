import { setTimeout as sleep } from 'node:timers/promises';
import type { IngestJobBody } from '@rerank-fleet/core/contracts';
import { mendsWithTime, RerankError } from '@rerank-fleet/core/errors';
import type { IngestJobs } from '@rerank-fleet/core/jobs';

/** Between looks at a job that somebody waits for; grows, as a long job is not done any moment. */
const FIRST_LOOK_MS = 50;
const LAST_LOOK_MS = 500;

/** Jobs as the blob store tells them. */
export class JobsService {
  readonly #jobs: Pick<IngestJobs, 'find'>;

  constructor(jobs: Pick<IngestJobs, 'find'>) {
    this.#jobs = jobs;
  }

  /** @throws RerankError `job_not_found`, also for another tenant's */
  async get(tenant: string, id: string): Promise<IngestJobBody> {
    const job = await this.#jobs.find(tenant, id);
    if (job === undefined) throw new RerankError('job_not_found', 'There is no job of this id.');
    return job;
  }

  /**
   * The job when it is done, or as it stands when the time is over. It is durable, so a store that is away meanwhile is no fault of its upload.
   *
   * @throws RerankError `job_not_found`; the signal's reason when it aborts
   */
  async awaitDone(
    job: IngestJobBody,
    options: { readonly tenant: string; readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<IngestJobBody> {
    const end = performance.now() + options.timeoutMs;
    let latest = job;
    for (let pause = FIRST_LOOK_MS; !isDone(latest); pause = Math.min(pause * 1.5, LAST_LOOK_MS)) {
      const left = end - performance.now();
      if (left <= 0) return latest;
      await sleep(Math.min(pause, left), undefined, { signal: options.signal });
      latest = await this.get(options.tenant, job.id).catch((error: unknown) => {
        if (mendsWithTime(error)) return latest;
        throw error;
      });
    }
    return latest;
  }
}

export function isDone(job: IngestJobBody): boolean {
  return job.status === 'completed' || job.status === 'failed';
}
