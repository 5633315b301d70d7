import type { ModelListBody } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { EmptyInputError } from './empty-input-error.js';
import { describeInfo, fromTei, isTeiBody, readTeiRequest, toTei } from './tei-mapping.js';

const read = (fields: object) => readTeiRequest({ query: 'q', texts: ['a'], ...fields }, 10);
const code = (name: string): Error => expect.objectContaining({ code: name }) as Error;

describe('isTeiBody', () => {
  it('goes by texts alone', () => {
    expect([{ texts: [] }, { texts: 'x', documents: ['a'] }].map(isTeiBody)).toEqual([true, true]);
    expect([{ texts: null }, { documents: ['a'] }, [], null, undefined, 'texts'].map(isTeiBody)).toEqual(Array(6).fill(false));
  });
});

describe('readTeiRequest', () => {
  it('truncates unless told otherwise', () => {
    expect(fromTei(read({}).request)).toMatchObject({ long_document: 'truncate', raw_scores: false, return_documents: false });
    expect(fromTei(read({ truncate: false, raw_scores: true, return_text: true }).request)).toEqual({
      query: 'q',
      documents: ['a'],
      long_document: 'error',
      raw_scores: true,
      return_documents: true,
    });
  });

  it('cuts at the end only, and says so', () => {
    for (const direction of ['right', 'Right', null]) expect(() => read({ truncation_direction: direction })).not.toThrow();
    expect(() => read({ truncation_direction: 'left' })).toThrow(/texts are cut at their end; "left" is not supported/);
  });

  it('tells an empty list from other faults', () => {
    expect(() => read({ texts: [] })).toThrow(EmptyInputError);
    expect(() => read({ texts: [5] })).toThrow(code('invalid_request'));
    expect(() => read({ texts: 'a' })).toThrow(code('invalid_request'));
    expect(() => read({ texts: Array(11).fill('a') })).toThrow(code('too_many_documents'));
  });

  it('names what it ignores', () => {
    expect(read({ model: 'm', prompt_name: null }).ignored).toEqual(['model']);
  });
});

describe('toTei', () => {
  it('answers a bare list, with texts where there are any', () => {
    const usage = { prompt_tokens: 1, total_tokens: 1 };
    const meta = { api_version: { version: '1' }, billed_units: { search_units: 1 }, tokens: { input_tokens: 1 } };
    const results = [
      { index: 1, relevance_score: 3, document: { text: 'b' } },
      { index: 0, relevance_score: -1 },
    ];
    expect(toTei({ id: 'i', model: 'm', results, usage, meta })).toEqual([
      { index: 1, score: 3, text: 'b' },
      { index: 0, score: -1 },
    ]);
  });
});

describe('describeInfo', () => {
  const model = (id: string, kind: 'cross-encoder' | 'embedder'): ModelListBody['data'][number] => ({
    id,
    object: 'model',
    created: 1,
    owned_by: 'rerank-fleet',
    kind,
    pool: 'default',
    max_length: 512,
    precision: 'fp16',
    sha256: `sha of ${id}`,
    live_workers: 1,
    default: true,
  });

  it('is of the first reranker', () => {
    const models = [model('embed', 'embedder'), model('mini', 'cross-encoder'), model('big', 'cross-encoder')];
    expect(describeInfo({ object: 'list', data: models }, 1_000)).toMatchObject({
      model_id: 'mini',
      model_sha: 'sha of mini',
      model_dtype: 'float16',
      model_type: { reranker: {} },
      max_input_length: 512,
      max_client_batch_size: 1_000,
    });
  });

  it('is unavailable where there is none', () => {
    expect(() => describeInfo({ object: 'list', data: [model('embed', 'embedder')] }, 1)).toThrow(code('model_unavailable'));
  });
});
