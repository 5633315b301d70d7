import type { CorpusRecord } from '@rerank-fleet/core/domain';
import type { BatchRecord } from '@rerank-fleet/core/jobs';
import { describe, expect, it } from 'vitest';
import { recordOf, versionOf } from '../../../../test/conformance/store-fixtures.js';
import { runRow, type RowParts } from './run-row.js';

const refused = (): Promise<never> => Promise.reject(new Error('It must not come to this.'));
const RECORD = { id: 'job_1', tenant: 'acme' } as BatchRecord;
const SEARCH = { row: 1, request: { custom_id: 'a', query: 'q', corpus: 'manuals' } };

const run = (corpus: CorpusRecord | undefined) => {
  const parts: RowParts = {
    handlers: { rerank: refused, search: refused },
    documents: { findCorpus: () => Promise.resolve(corpus) },
    pool: { pool: 'default', models: [] } as unknown as RowParts['pool'],
    aliases: {},
  };
  const context = { taskId: 't', tenant: 'acme', requestId: 'r', queueMs: 0, signal: new AbortController().signal };
  return runRow(parts, RECORD, SEARCH, context);
};

describe(runRow, () => {
  it.each([
    ['is not there', undefined],
    ['is about to go', { ...recordOf(versionOf('acme')), deleting: true as const }],
  ])('errs where the corpus of a search %s', async (_how, corpus) => {
    expect(await run(corpus)).toMatchObject({ row: 1, custom_id: 'a', status: 'errored', error: { code: 'corpus_not_found' } });
  });
});
