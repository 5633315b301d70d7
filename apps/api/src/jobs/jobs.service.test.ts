import type { IngestJobBody } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { describe, expect, it } from 'vitest';
import { JobsService } from './jobs.service.js';

const job = (status: IngestJobBody['status']): IngestJobBody => ({
  id: 'job_1',
  object: 'job',
  kind: 'ingest',
  status,
  corpus: 'manuals',
  request_counts: { total: 1, processing: 0, succeeded: 0, errored: 0 },
  created_at: 1,
  errors: [],
  urls: { self: '/v1/jobs/job_1' },
});

/** Looks come to these, one after the other; the last one stays. */
function lookingAt(...found: readonly (IngestJobBody | RerankError)[]): JobsService {
  const left = [...found];
  return new JobsService({
    find: async () => {
      const next = left.length > 1 ? left.shift()! : left[0]!;
      if (next instanceof RerankError) throw next;
      return next;
    },
  });
}

const wait = (service: JobsService, timeoutMs = 10_000): Promise<IngestJobBody> =>
  service.awaitDone(job('queued'), { tenant: 'acme', timeoutMs, signal: new AbortController().signal });

const AWAY = new RerankError('blob_store_unavailable', 'Away.');

describe(JobsService, () => {
  it('waits on where the store is away for a moment: the job is accepted', async () => {
    expect((await wait(lookingAt(AWAY, job('completed')))).status).toBe('completed');
  });

  it('gives the job as it was last seen where the store stays away', async () => {
    expect((await wait(lookingAt(job('in_progress'), AWAY), 300)).status).toBe('in_progress');
  });

  it('fails by what will not mend', async () => {
    await expect(wait(lookingAt(new RerankError('internal_error', 'Broken.')))).rejects.toThrow('Broken.');
  });
});
