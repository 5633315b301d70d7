import type { CorpusRecord } from '@rerank-fleet/core/domain';
import { RerankError, type ErrorCode } from '@rerank-fleet/core/errors';
import type { BatchRecord } from '@rerank-fleet/core/jobs';
import { poolsOf } from '@rerank-fleet/core/requests';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { recordOf, versionOf } from '../../../../test/conformance/store-fixtures.js';
import { announcement } from '../../../../test/support/fleet-fixtures.js';
import { runRow, type RowParts } from './run-row.js';

const refused = (): Promise<never> => Promise.reject(new Error('It must not come to this.'));
const RECORD = { id: 'job_1', tenant: 'acme' } as BatchRecord;
const SEARCH = { row: 1, request: { custom_id: 'a', query: 'q', corpus: 'manuals' } };

const log = { error: vi.fn() };

beforeEach(() => void log.error.mockReset());

const run = (corpus: CorpusRecord | undefined) => {
  const parts: RowParts = {
    handlers: { rerank: refused, search: refused },
    documents: { findCorpus: () => Promise.resolve(corpus) },
    pool: { pool: 'default', models: [] } as unknown as RowParts['pool'],
    aliases: {},
    log,
  };
  const context = { taskId: 't', tenant: 'acme', requestId: 'r', queueMs: 0, signal: new AbortController().signal };
  return runRow(parts, RECORD, SEARCH, context);
};

describe(`${runRow.name}, where the model fails`, () => {
  const failing = (code: ErrorCode) => {
    const parts: RowParts = {
      handlers: { rerank: () => Promise.reject(new RerankError(code, 'why')), search: refused },
      documents: { findCorpus: refused },
      pool: poolsOf([announcement()], [])[0]!,
      aliases: {},
      log,
    };
    const row = { row: 2, request: { custom_id: 'b', query: 'q', documents: ['a'] } };
    const context = { taskId: 't', tenant: 'acme', requestId: 'r', queueMs: 0, signal: new AbortController().signal };
    return runRow(parts, RECORD, row, context);
  };

  it.each(['score_not_finite', 'internal_error', 'out_of_memory'] as const)('errs alone: %s', async (code) => {
    expect(await failing(code)).toMatchObject({ row: 2, custom_id: 'b', status: 'errored', error: { code, message: 'why' } });
    expect(log.error).toHaveBeenCalledExactlyOnceWith(
      { err: expect.any(RerankError) as Error, job: 'job_1', row: 2 },
      'A request of a job failed.',
    );
  });

  it('has its slice tried again for what mends with time', async () => {
    await expect(failing('model_unavailable')).rejects.toMatchObject({ code: 'model_unavailable' });
  });
});

describe(runRow, () => {
  it.each([
    ['is not there', undefined],
    ['is about to go', { ...recordOf(versionOf('acme')), deleting: true as const }],
  ])('errs where the corpus of a search %s', async (_how, corpus) => {
    expect(await run(corpus)).toMatchObject({ row: 1, custom_id: 'a', status: 'errored', error: { code: 'corpus_not_found' } });
    expect(log.error).not.toHaveBeenCalled();
  });
});
