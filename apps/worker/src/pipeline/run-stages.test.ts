import { RerankError } from '@rerank-fleet/core/errors';
import type { CrossEncoder, PairRequest, PairScores } from '@rerank-fleet/core/ports';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runStages, type EncoderStage } from './run-stages.js';

/** Scores passages by a table from their text; remembers what it was asked. */
class TableEncoder implements CrossEncoder {
  readonly sha256: string;
  readonly asked: PairRequest[] = [];

  constructor(
    readonly name: string,
    readonly logits: Readonly<Record<string, number>>,
  ) {
    this.sha256 = `sha of ${name}`;
  }

  async score(request: PairRequest): Promise<PairScores> {
    this.asked.push(request);
    const scores = request.passages.map((text) => ({ logit: this.logits[text]!, tokens: 3, truncated: false }));
    return { scores, timingsMs: { tokenize: 1, score: 2 } };
  }
}

const PASSAGES = ['p0', 'p1', 'p2', 'p3', 'p4'];
const request = (passages: readonly string[] = PASSAGES): PairRequest => ({
  query: 'q',
  passages,
  longDocument: 'truncate',
  deterministic: true,
  maxPassageTokens: 64,
  priority: 'sync',
});
const table = (name: string, logits: readonly number[]): TableEncoder =>
  new TableEncoder(name, Object.fromEntries(logits.map((logit, index) => [`p${index}`, logit])));
const ALL = { topN: 99, explain: false } as const;

describe('runStages', () => {
  it('lets the last stage order what the stages before it kept', async () => {
    const light = table('light', [5, 4, 3, 2, 1]);
    const heavy = table('heavy', [0, 2, 1, 9, 9]);
    const outcome = await runStages([{ encoder: light, keep: 3 }, { encoder: heavy }], request(), ALL);
    expect(outcome.model).toBe('heavy');
    expect(outcome.results).toEqual([
      { index: 1, logit: 2, tokens: 3, truncated: false },
      { index: 2, logit: 1, tokens: 3, truncated: false },
      { index: 0, logit: 0, tokens: 3, truncated: false },
    ]);
  });

  it('asks each stage the same, but for the passages, which keep the order of the request', async () => {
    const light = table('light', [1, 5, 2, 4, 3]);
    const heavy = table('heavy', [0, 0, 0, 0, 0]);
    await runStages([{ encoder: light, keep: 3 }, { encoder: heavy }], request(), ALL);
    expect(light.asked).toEqual([request()]);
    expect(heavy.asked).toEqual([request(['p1', 'p3', 'p4'])]);
  });

  it('cuts ties by input index', async () => {
    const light = table('light', [1, 1, 1, 1, 1]);
    const heavy = table('heavy', [1, 2, 3, 4, 5]);
    const { results } = await runStages([{ encoder: light, keep: 2 }, { encoder: heavy }], request(), ALL);
    expect(results.map(({ index }) => index)).toEqual([1, 0]);
  });

  it('tells how each result fared in each stage, ranked among all that the stage scored', async () => {
    const stages = [
      { encoder: table('light', [5, 4, 3, 2, 1]), keep: 3 },
      { encoder: table('heavy', [0, 2, 1, 9, 9]), keep: 3 },
    ];
    const { results } = await runStages(stages, request(), { topN: 1, explain: true });
    expect(results[0]).toMatchObject({
      index: 1,
      stages: [
        { model: 'light', logit: 4, rank: 2 },
        { model: 'heavy', logit: 2, rank: 1 },
      ],
    });
    expect(results).toHaveLength(1);
  });

  it('ranks ties by input index in what it tells, where a stage keeps more than there are', async () => {
    const stages = [
      { encoder: table('light', [1, 2, 1]), keep: 9 },
      { encoder: table('heavy', [4, 4, 4]), keep: 9 },
    ];
    const { results } = await runStages(stages, request(['p0', 'p1', 'p2']), { ...ALL, explain: true });
    expect(results.map(({ index, stages: told }) => [index, told?.map(({ rank }) => rank)])).toEqual([
      [0, [2, 1]],
      [1, [1, 2]],
      [2, [3, 3]],
    ]);
  });

  it('adds up tokens and times of all stages', async () => {
    const stages = [{ encoder: table('light', [5, 4, 3, 2, 1]), keep: 2 }, { encoder: table('heavy', [0, 0, 0, 0, 0]) }];
    const { promptTokens, timingsMs } = await runStages(stages, request(), ALL);
    expect(promptTokens).toBe((5 + 2) * 3);
    expect(timingsMs).toEqual({ tokenize: 2, score: 4 });
  });

  it('holds the minimum and the groups against the last stage only, and counts results there', async () => {
    const light = table('light', [-9, -8, -7, -6, -5]);
    const heavy = table('heavy', [0, 5, 4, 3, -1]);
    const stages = [
      { encoder: light, keep: 4 },
      { encoder: heavy, keep: 2 },
    ];
    const groups = ['a', 'b', 'b', 'c', 'd'];
    const { results } = await runStages(stages, request(), { ...ALL, minLogit: 0, groupKey: (index) => groups[index]! });
    expect(results.map(({ index }) => index)).toEqual([1, 3]);
  });

  it('gives nothing for nothing', async () => {
    const { results, promptTokens } = await runStages([{ encoder: table('only', []) }], request([]), ALL);
    expect({ results, promptTokens }).toEqual({ results: [], promptTokens: 0 });
  });

  it('names a pair that is too long for a later stage by its place in the request', async () => {
    const heavy: CrossEncoder = {
      name: 'heavy',
      sha256: 'h',
      score: () =>
        Promise.reject(
          new RerankError('pair_too_long', 'Document 1 has more than 8 tokens.', {
            errors: [{ pointer: '/documents/1', detail: 'has more than 8 tokens' }],
          }),
        ),
    };
    const cascade = runStages([{ encoder: table('light', [1, 5, 2, 4, 3]), keep: 2 }, { encoder: heavy }], request(), ALL);
    await expect(cascade).rejects.toMatchObject({
      code: 'pair_too_long',
      detail: expect.stringMatching(/^Document 3 has more than 8 tokens.*heavy/) as string,
      errors: [{ pointer: '/documents/3', detail: 'has more than 8 tokens' }],
    });
  });

  it('passes on what a stage throws, and asks no later one', async () => {
    const light: CrossEncoder = { name: 'light', sha256: 'l', score: () => Promise.reject(new RerankError('query_too_long', 'Long.')) };
    const heavy = table('heavy', [0, 0, 0, 0, 0]);
    await expect(runStages([{ encoder: light, keep: 2 }, { encoder: heavy }], request(), ALL)).rejects.toMatchObject({
      code: 'query_too_long',
    });
    expect(heavy.asked).toEqual([]);
  });

  it('keeps the best of each stage and never more than the last keep, whatever the scores', async () => {
    const cascades = fc.integer({ min: 0, max: 12 }).chain((count) =>
      fc.record({
        logits: fc.array(fc.array(fc.integer({ min: -3, max: 3 }), { minLength: count, maxLength: count }), { minLength: 1, maxLength: 8 }),
        keeps: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 8, maxLength: 8 }),
        openEnd: fc.boolean(),
        topN: fc.integer({ min: 1, max: 12 }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(cascades, async ({ logits, keeps, openEnd, topN }) => {
        const falling = keeps.toSorted((a, b) => b - a);
        const encoders = logits.map((row, position) => table(`m${position}`, row));
        const stages = encoders.map((encoder, position): EncoderStage =>
          openEnd && position === logits.length - 1 ? { encoder } : { encoder, keep: falling[position]! },
        );
        const passages = logits[0]!.map((_, index) => `p${index}`);
        const { results } = await runStages(stages, request(passages), { topN, explain: false });

        let expected = passages.map((_, index) => index);
        for (const [position, { keep }] of stages.entries()) {
          const asked = encoders[position]!.asked[0]!.passages;
          expect(asked).toEqual(expected.toSorted((a, b) => a - b).map((index) => `p${index}`));
          expected = expected.sort((a, b) => logits[position]![b]! - logits[position]![a]! || a - b).slice(0, keep);
        }
        expect(results.map(({ index }) => index)).toEqual(expected.slice(0, topN));
      }),
    );
  });
});
