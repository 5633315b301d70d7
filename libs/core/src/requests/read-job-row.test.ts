import { describe, expect, it } from 'vitest';
import { assertKnownDefaults, jobRowReader, readJobRow } from './read-job-row.js';

const stages = [{ model: 'light', keep: 5 }, { model: 'heavy' }];

describe('readJobRow', () => {
  it('takes a row with documents for a rerank and any other for a search', () => {
    expect(readJobRow({ custom_id: 'a', query: 'q', documents: ['d'] })).toMatchObject({ ok: true, row: { kind: 'rerank' } });
    expect(readJobRow({ custom_id: 'a', query: 'q', corpus: 'c' })).toMatchObject({
      ok: true,
      row: { kind: 'search', request: { top_k: 50, mode: 'hybrid' } },
    });
  });

  it('gives a rerank of the defaults only what a rerank knows', () => {
    const read = jobRowReader({ corpus: 'c', top_k: 20, top_n: 3 });
    expect(read({ custom_id: 'a', query: 'q', documents: ['d'] })).toMatchObject({
      ok: true,
      row: { kind: 'rerank', request: { top_n: 3 } },
    });
    expect(read({ custom_id: 'b', query: 'q' })).toMatchObject({ ok: true, row: { kind: 'search', request: { corpus: 'c', top_k: 20 } } });
  });

  it('prefers what the row says, and drops the default stages for a model of its own', () => {
    const read = jobRowReader({ corpus: 'c', stages, top_n: 3 });
    expect(read({ custom_id: 'a', query: 'q', top_n: 4 })).toMatchObject({ row: { request: { stages, top_n: 4 } } });
    const own = read({ custom_id: 'b', query: 'q', model: 'heavy' });
    expect(own).toMatchObject({ ok: true, row: { request: { model: 'heavy', top_n: 3 } } });
    expect(own.ok && own.row.request.stages).toBeUndefined();
  });

  it.each([
    [{ query: 'q', corpus: 'c' }, 'custom_id'],
    [{ custom_id: 'a', query: 'q', corpus: 'c', timeout_ms: 5 }, 'timeout_ms'],
    [{ custom_id: 'a', query: 'q', documents: [] }, 'documents'],
  ])('refuses %o', (row, field) => {
    const read = readJobRow(row);
    expect(read.ok ? [] : read.error.issues.map(({ path }) => path[0])).toEqual([field]);
  });

  it('refuses fields that it does not know', () => {
    const read = readJobRow({ custom_id: 'a', query: 'q', documents: ['d'], topn: 3 });
    expect(read.ok ? [] : read.error.issues).toMatchObject([{ code: 'unrecognized_keys', keys: ['topn'] }]);
  });
});

describe('assertKnownDefaults', () => {
  it('takes fields of a search and of a rerank', () => {
    expect(() => assertKnownDefaults({ corpus: 'c', max_tokens_per_doc: 100 })).not.toThrow();
  });

  it('names what no request knows', () => {
    expect(() => assertKnownDefaults({ topk: 3, corpus: 'c', timeout_ms: 5 })).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        errors: [
          { pointer: '/defaults/topk', detail: 'is no field of a search or a rerank' },
          { pointer: '/defaults/timeout_ms', detail: 'has no use in a job; expires_in_s bounds the whole job' },
        ],
      }),
    );
  });
});
