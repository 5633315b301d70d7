import { reindexSchema } from '@rerank-fleet/core/contracts';
import type { ReindexRecord } from '@rerank-fleet/core/domain';
import { describe, expect, it } from 'vitest';
import { describeReindex } from './describe-reindex.js';

const NOW = 1_000_000;
const begun: ReindexRecord = {
  id: 'rx_1',
  fromVersion: 1,
  toVersion: 2,
  status: 'building',
  promote: 'auto',
  checks: { sample: 50 },
  keepPreviousMs: 1_000,
  total: 1_000,
  created: 0,
  updated: 0,
  failed: 0,
  failures: [],
  throttledMs: 0,
  startedAt: 900_500,
  workedMs: 0,
};
const lease = { owner: 'worker-1', fence: 3, until: NOW + 1 };
const running: ReindexRecord = { ...begun, created: 150, updated: 40, failed: 10, workedMs: 4_000, lease };
const describeAs = (reindex: ReindexRecord) => describeReindex({ corpus: 'manuals' }, reindex, NOW);

describe('describeReindex', () => {
  it('tells no speed and no time left before the first page', () => {
    const body = describeAs({ ...begun, lease, workedMs: 500 });
    expect(body).toEqual(reindexSchema.parse(body));
    expect(body).toMatchObject({ status: 'building', total: 1_000, created_at: 900, urls: { self: '/v1/admin/reindex/rx_1' } });
    expect(body).not.toHaveProperty('documents_per_s');
    expect(body).not.toHaveProperty('eta_s');
  });

  it('tells both by the time worked so far, and not who works', () => {
    const body = describeAs(running);
    expect(body).toMatchObject({ documents_per_s: 50, eta_s: 16 });
    expect(body).not.toHaveProperty('lease');
  });

  it('knows that a lower limit takes longer, and that a higher one promises nothing', () => {
    expect(describeAs({ ...running, requestsPerSecond: 8 })).toMatchObject({ requests_per_second: 8, eta_s: 100 });
    expect(describeAs({ ...running, requestsPerSecond: 5_000 }).eta_s).toBe(16);
  });

  it.each([
    ['its holder has died', { lease: { ...lease, until: NOW } }],
    ['it is validating', { status: 'validating' as const }],
    ['it waits for a worker', { waiting: { code: 'model_unavailable', detail: 'none' } }],
    ['all that was counted is done', { total: 200 }],
  ])('tells no time left while %s', (_, change) => {
    const body = describeAs({ ...running, ...change });
    expect(body).not.toHaveProperty('eta_s');
    expect(body.documents_per_s).toBe(50);
  });

  it('tells no time left while nobody holds it', () => {
    const { lease: _, ...left } = running;
    expect(describeAs(left)).not.toHaveProperty('eta_s');
  });

  it('tells why it waits, until it has ended', () => {
    const waiting = { code: 'model_unavailable', detail: 'No worker.' };
    expect(describeAs({ ...running, waiting }).waiting).toEqual(waiting);
    expect(describeAs({ ...running, waiting, status: 'cancelled' })).not.toHaveProperty('waiting');
  });

  it('tells how it was validated, why it failed and what could not be indexed', () => {
    const validation = { documents: { expected: 10, found: 9 }, repaired: 1, queries: 5, overlap: 0.8, failures: ['too few'] };
    const ended = {
      ...running,
      status: 'failed',
      validation,
      error: { code: 'internal_error', detail: 'no' },
      failures: [{ documentId: 'd', code: 'score_not_finite', detail: 'x' }],
      endedAt: 950_000,
    } as const;
    expect(describeAs(ended)).toMatchObject({
      status: 'failed',
      validation,
      error: { code: 'internal_error' },
      failures: [{ document_id: 'd', code: 'score_not_finite', detail: 'x' }],
      ended_at: 950,
    });
  });
});
