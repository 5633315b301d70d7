import { openFirstStages } from '@rerank-fleet/core/adapters/external/open-first-stages';
import type { JsonValue } from '@rerank-fleet/core/domain';
import type { FirstStage, FirstStageRequest } from '@rerank-fleet/core/ports';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OPTIONS, versionOf } from '../conformance/search-engine-fixtures.js';
import { answering, ScriptedServer } from '../support/scripted-server.js';
import { connectionsOf } from '../support/search-engines.js';

const REQUEST: FirstStageRequest = { query: 'apple', mode: 'hybrid', limit: 3, dense: new Float32Array([1, 0]) };
const hit = (id: string, score: number) => ({ _index: 'i', _id: id, _score: score, _source: { body: `text of ${id}`, name: 'N' } });
const answer = (...hits: object[]) => ({ took: 1, timed_out: false, _shards: { total: 1, failed: 0 }, hits: { hits } });

let server: ScriptedServer;
const open: FirstStage[] = [];
beforeEach(async () => {
  server = await ScriptedServer.start();
});
afterEach(async () => {
  for (const stage of open.splice(0)) stage.close();
  await server.stop();
});

function stageOf(connection: Readonly<Record<string, unknown>> = {}): FirstStage {
  const stage = openFirstStages(connectionsOf({ name: 'es', kind: 'elasticsearch', url: `${server.url}/behind/a/proxy/`, ...connection }));
  open.push(stage);
  return stage;
}

const retrieve = (stage: FirstStage, options: Readonly<Record<string, JsonValue>> = OPTIONS, request: FirstStageRequest = REQUEST) =>
  stage.retrieve(versionOf(stage.settle('default', { connection: 'es', options })), request);

describe('an index elsewhere', () => {
  it('is asked with credentials, the trace and a name for its slow log', async () => {
    server.answers = [answering(200, answer(hit('a', 2)))];
    await retrieve(stageOf({ api_key: 'id:secret' }), OPTIONS, { ...REQUEST, requestId: 'r 1\n', traceparent: '00-ab-cd-01' });
    expect(server.requests).toMatchObject([
      {
        path: '/behind/a/proxy/rf-first-stage-garden/_search?allow_partial_search_results=false&timeout=10000ms',
        headers: { authorization: 'ApiKey id:secret', 'x-opaque-id': 'r 1', traceparent: '00-ab-cd-01' },
      },
    ]);
    await retrieve(stageOf({ username: 'elastic', password: 'pass:word' }));
    expect(server.requests[1]?.headers.authorization).toBe(`Basic ${btoa('elastic:pass:word')}`);
  });

  it('is asked for both lists at once', async () => {
    const waiting: (() => void)[] = [];
    const together = (body: object) => (response: Parameters<ReturnType<typeof answering>>[0]) => {
      waiting.push(() => answering(200, body)(response));
      if (waiting.length === 2) for (const answerNow of waiting) answerNow();
    };
    server.answers = [
      (response, { body }) => together('knn' in body ? answer(hit('b', 1), hit('c', 0.5)) : answer(hit('a', 9), hit('b', 8)))(response),
    ];
    const found = await retrieve(stageOf(), { ...OPTIONS, vector_field: 'v' });
    expect(found.map(({ documentId, firstStage }) => [documentId, firstStage.rank])).toEqual([
      ['b', 1],
      ['a', 2],
      ['c', 3],
    ]);
    expect(found[0]?.firstStage.score).toBeCloseTo(1 / 60 + 1 / 61, 12);
  });

  it('gives no half of two lists', async () => {
    server.answers = [
      (response, { body }) => {
        if ('knn' in body) answering(400, { error: { type: 'illegal_argument_exception', reason: 'unknown field [v]' } })(response);
      },
    ];
    await expect(retrieve(stageOf(), { ...OPTIONS, vector_field: 'v' })).rejects.toMatchObject({
      code: 'invalid_request',
      detail: 'The first stage "es" refused the search: illegal_argument_exception: unknown field [v].',
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['a shard that failed', { ...answer(hit('a', 1)), _shards: { total: 2, failed: 1 } }, /shard failed/],
    ['a search out of time', { ...answer(hit('a', 1)), timed_out: true }, /out of time/],
    ['a hit without a score', answer({ ...hit('a', 1), _score: null }), /_score/],
    ['no hits', { timed_out: false, _shards: { failed: 0 } }, /hits/],
    ['another service', { name: 'hello' }, /timed_out/],
  ])('is refused as a whole for %s', async (_, body, detail) => {
    server.answers = [answering(200, body)];
    await expect(retrieve(stageOf())).rejects.toMatchObject({
      code: 'candidate_store_unavailable',
      detail: expect.stringMatching(detail) as string,
    });
  });

  it('is one of those that the connection allows, also if it did so when the corpus was made', async () => {
    server.answers = [answering(200, answer(hit('a', 1)))];
    const settled = stageOf().settle('default', { connection: 'es', options: OPTIONS });
    for (const allowed of [['rf-*'], ['*-garden'], ['x', 'rf-first-stage-garden']])
      expect(await retrieve(stageOf({ indices: allowed }))).toHaveLength(1);
    for (const allowed of [['rf'], ['*garden-'], ['RF-*'], ['rf.first.stage.garden']]) {
      await expect(stageOf({ indices: allowed }).retrieve(versionOf(settled), REQUEST)).rejects.toMatchObject({
        code: 'invalid_request',
        errors: [{ pointer: '/source/options/index' }],
      });
    }
  });

  it.each([
    ['..', '/index'],
    ['../_cluster', '/index'],
    ['a/b', '/index'],
    ['a,b', '/index'],
    ['a*', '/index'],
    ['_all', '/index'],
    ['other:a', '/index'],
    ['<a-{now/d}>', '/index'],
    ['.security', '/index'],
    ['a?x', '/index'],
    ['a%2fb', '/index'],
    ['', '/index'],
  ])('is not named %j', (index, pointer) => {
    expect(() => stageOf().settle('default', { connection: 'es', options: { ...OPTIONS, index } })).toThrow(
      expect.objectContaining({
        code: 'invalid_request',
        errors: [expect.objectContaining({ pointer: `/source/options${pointer}` })],
      }) as Error,
    );
  });

  it('names every fault of its options', () => {
    const faults = (options: Readonly<Record<string, JsonValue>>): string[] => {
      try {
        stageOf().settle('default', { connection: 'es', options });
        return [];
      } catch (error) {
        return (error as { errors: { pointer: string }[] }).errors.map(({ pointer }) => pointer);
      }
    };
    expect(faults({})).toEqual(['/source/options/index', '/source/options/text_field']);
    expect(faults({ ...OPTIONS, url: 'http://elsewhere', text_field: 'a*' })).toEqual(['/source/options/text_field', '/source/options']);
    expect(faults({ ...OPTIONS, num_candidates: 5, model_id: 'm', embed_query: true })).toEqual([
      '/source/options/num_candidates',
      '/source/options/model_id',
      '/source/options/embed_query',
    ]);
    expect(faults({ ...OPTIONS, vector_field: 'v', model_id: 'm', embed_query: true })).toEqual(['/source/options/embed_query']);
    expect(faults({ ...OPTIONS, query_template: { match: { a: '{{query}}' } }, search_fields: ['a'] })).toEqual([
      '/source/options/search_fields',
    ]);
    expect(faults({ ...OPTIONS, metadata_fields: { 'a/b': '*' } })[0]).toMatch(/^\/source\/options\/metadata_fields/);
  });

  it('embeds the query here unless a model there does', () => {
    const embeds = (options: Readonly<Record<string, JsonValue>>): unknown =>
      stageOf().settle('default', { connection: 'es', options: { ...OPTIONS, ...options } }).options['embed_query'];
    expect([embeds({}), embeds({ vector_field: 'v' }), embeds({ vector_field: 'v', model_id: 'm' })]).toEqual([false, true, false]);
  });

  it('takes what it gave for options', () => {
    const stage = stageOf();
    const once = stage.settle('default', {
      connection: 'es',
      options: { ...OPTIONS, vector_field: 'v', model_id: 'm', metadata_fields: ['b', 'a'] },
    });
    expect(JSON.stringify(stage.settle('default', once))).toBe(JSON.stringify(once));
  });

  it.each(['elasticsearch', 'opensearch'])('lets a model of %s embed the query', async (kind) => {
    server.answers = [answering(200, answer(hit('a', 1)))];
    const { dense: _, ...request } = REQUEST;
    await retrieve(stageOf({ kind }), { ...OPTIONS, vector_field: 'v', model_id: 'm', num_candidates: 70 }, { ...request, mode: 'dense' });
    expect(server.requests[0]?.body).toMatchObject(
      kind === 'elasticsearch'
        ? {
            knn: { field: 'v', k: 3, num_candidates: 70, query_vector_builder: { text_embedding: { model_id: 'm', model_text: 'apple' } } },
          }
        : { query: { neural: { v: { query_text: 'apple', model_id: 'm', k: 3, method_parameters: { ef_search: 70 } } } } },
    );
  });
});
