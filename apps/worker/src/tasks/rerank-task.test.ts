import type { RerankTask } from '@rerank-fleet/core/contracts';
import type { CrossEncoder, PairRequest, PairScores } from '@rerank-fleet/core/ports';
import { describe, expect, it } from 'vitest';
import { CrossEncoders } from './cross-encoders.js';
import { rerankTask, type ScoringParts } from './rerank-task.js';

/** Remembers what it was asked. */
class Listener implements CrossEncoder {
  readonly name = 'heavy';
  readonly sha256 = 'h';
  readonly asked: PairRequest[] = [];

  score(request: PairRequest): Promise<PairScores> {
    this.asked.push(request);
    const scores = request.passages.map((_, index) => ({ logit: -index, tokens: 1, truncated: false }));
    return Promise.resolve({ scores, timingsMs: { tokenize: 0, score: 0 } });
  }
}

const BODY: RerankTask = {
  kind: 'rerank',
  stages: [{ model: { name: 'heavy', sha256: 'h' } }],
  query: 'q',
  documents: ['a', 'b'],
  top_n: 2,
  long_document: 'truncate',
};
const CONTEXT = { taskId: 't', tenant: 'acme', requestId: 'r', queueMs: 0, signal: new AbortController().signal };

async function run(body: Partial<RerankTask>, parts: Partial<ScoringParts> = {}) {
  const encoder = new Listener();
  const scoring: ScoringParts = {
    encoders: new CrossEncoders([encoder]),
    deterministic: false,
    effort: 'full',
    cacheDocuments: false,
    ...parts,
  };
  const outcome = await rerankTask(scoring)({ ...BODY, ...body }, CONTEXT);
  return { outcome, asked: encoder.asked[0]! };
}

describe(rerankTask, () => {
  it.each([
    [false, undefined, false],
    [true, undefined, true],
    [true, false, false],
    [false, true, true],
  ])('is deterministic as the deployment says (%s) unless the request does (%s): %s', async (deterministic, wish, expected) => {
    const { asked } = await run(wish === undefined ? {} : { deterministic: wish }, { deterministic });
    expect(asked.deterministic).toBe(expected);
  });

  it.each([
    ['fast', undefined, 'fast'],
    ['fast', 'full', undefined],
    ['full', 'balanced', 'balanced'],
  ] as const)('lets pairs leave as the deployment says (%s) unless the request does (%s)', async (effort, wish, expected) => {
    const { asked } = await run(wish === undefined ? {} : { effort: wish }, { effort });
    expect(asked.exit?.effort).toBe(expected);
  });

  it('keeps scores of documents that are sent along only where that is configured, for their tenant', async () => {
    expect((await run({})).asked).not.toHaveProperty('cacheFor');
    expect((await run({}, { cacheDocuments: true })).asked.cacheFor).toBe('acme');
  });

  it('takes the same model in several stages, and says of each how a result fared', async () => {
    const model = BODY.stages[0]!.model;
    const stages = [{ model, keep: 9 }, { model, keep: 9 }, { model }];
    const { outcome } = await run({ stages, explain: true });
    expect(outcome.results.map(({ index, stages: told }) => [index, told?.map(({ rank }) => rank)])).toEqual([
      [0, [1, 1, 1]],
      [1, [2, 2, 2]],
    ]);
  });
});
