import type { IngestJobBody } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { listJobs, type JobSource } from './list-jobs.js';

const idOf = (number: number): string => `job_${String(number).padStart(32, '0')}`;

function body(id: string, status: IngestJobBody['status']): IngestJobBody {
  const counts = { total: 0, processing: 0, succeeded: 0, errored: 0 };
  return { id, object: 'job', kind: 'ingest', corpus: 'c', status, request_counts: counts, errors: [], created_at: 0, urls: { self: '' } };
}

function source(numbers: readonly number[], statusOf: (number: number) => IngestJobBody['status'] | undefined) {
  const asked: string[] = [];
  const jobs: JobSource = {
    ids: async function* (after) {
      for (const id of numbers.map(idOf).toSorted().toReversed()) if (after === undefined || id < after) yield id;
    },
    find: async (id) => {
      asked.push(id);
      const status = statusOf(Number(id.slice('job_'.length)));
      return status === undefined ? undefined : body(id, status);
    },
  };
  return { jobs, asked };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, number) => number + 1);

describe('listJobs', () => {
  it('looks through a bounded number of jobs for one page, and says where to go on', async () => {
    const { jobs, asked } = source(range(2_500), (number) => (number === 3 ? 'completed' : 'queued'));
    const first = await listJobs([jobs], { limit: 20, status: 'completed' });
    expect(first).toEqual({ object: 'list', data: [], has_more: true, next: idOf(1_501) });
    expect(asked).toHaveLength(1_000);
    const second = await listJobs([jobs], { limit: 20, status: 'completed', after: first.next });
    const third = await listJobs([jobs], { limit: 20, status: 'completed', after: second.next });
    expect(third).toMatchObject({ data: [{ id: idOf(3) }], has_more: false });
  });

  it('passes over jobs that are not to be shown, and mixes sources by age', async () => {
    const even = source([2, 4, 6], () => 'queued');
    const odd = source([1, 3, 5], (number) => (number === 3 ? undefined : 'queued'));
    const page = await listJobs([even.jobs, odd.jobs], { limit: 4 });
    expect(page).toMatchObject({ data: [6, 5, 4, 2].map((number) => ({ id: idOf(number) })), has_more: true, next: idOf(2) });
    expect((await listJobs([even.jobs, odd.jobs], { limit: 4, after: page.next })).data.map(({ id }) => id)).toEqual([idOf(1)]);
    expect(await listJobs([], { limit: 1 })).toEqual({ object: 'list', data: [], has_more: false });
  });
});
