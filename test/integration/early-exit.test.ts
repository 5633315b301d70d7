import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PairRequest } from '@rerank-fleet/core/ports';
import { encodeHalves } from '@rerank-fleet/worker/exits/half-floats';
import { HEADS_VERSION, type HeadsFile } from '@rerank-fleet/worker/exits/heads-schema';
import { pairSpans } from '@rerank-fleet/worker/exits/pair-spans';
import { featureCount } from '@rerank-fleet/worker/exits/pair-features';
import { openSegments } from '@rerank-fleet/worker/exits/segment-cache';
import { InferencePool } from '@rerank-fleet/worker/inference/inference-pool';
import { BatchScheduler } from '@rerank-fleet/worker/pipeline/batch-scheduler';
import { EarlyExit, type ExitObserver } from '@rerank-fleet/worker/pipeline/early-exit';
import { PairScorer } from '@rerank-fleet/worker/pipeline/score-pairs';
import { PAGE_TOKENS, StatePages } from '@rerank-fleet/worker/pipeline/state-pages';
import type { EncodedPairs, SequenceEncoder } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BERT, encodeOnnx, tinyBertGraph, tinyModernBertGraph } from '../support/tiny-models/index.js';

/** fp32 sums in another order, in batches of other shapes. */
const TOLERANCE = 1e-5;
const CUT = 2;
const LAYERS = 4;
const MEMORY_TOKENS = 16_384;

let root: string;
const endings: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-early-exit-'));
});

afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
});

afterAll(() => rm(root, { recursive: true, force: true }));

interface Stand {
  readonly scorer: PairScorer;
  readonly pages: StatePages;
  /** What the observer was told. */
  readonly cuts: Parameters<ExitObserver['cutMade']>[0][];
  readonly reasons: string[];
}

const MODELS = {
  BERT: () => tinyBertGraph({ head: 'classifier', style: 'sizes', quantized: false, layers: LAYERS, family: 'bert' }),
  'XLM-RoBERTa': () => tinyBertGraph({ head: 'classifier', style: 'sizes', quantized: false, layers: LAYERS, family: 'xlm-roberta' }),
  ModernBERT: () => tinyModernBertGraph({ quantized: false }),
} as const;

/** Ids as words: passages and queries are numbers in a row. An id beyond the model's table makes onnxruntime throw. */
const [SEPARATOR, POISON] = [2, 10_000];
const encoder: SequenceEncoder = {
  encodePairs: (_, { query, passages: texts }) => {
    const idsOf = (text: string): number[] => text.split(' ').map(Number);
    const rows = texts.map((text) => [3, ...idsOf(query), SEPARATOR, ...idsOf(text), SEPARATOR]);
    const encoded: EncodedPairs = {
      ids: Int32Array.from(rows.flat()),
      typeIds: new Uint8Array(rows.flat().length),
      lengths: Int32Array.from(rows, ({ length }) => length),
      truncated: new Uint8Array(rows.length),
    };
    return Promise.resolve(encoded);
  },
  encodeTexts: () => Promise.reject(new Error('Nothing is embedded here.')),
  countTokens: () => Promise.reject(new Error('Nothing is counted here.')),
};

/**
 * A tiny model that pairs can leave after two of its layers. `weigh` makes the prediction depend on the first feature of the pair, so that pairs differ; else all
 * predictions are alike, and all pairs stay. `missing` are segments that cannot be had again either.
 */
async function stand(name: keyof typeof MODELS, { weigh = 0, tokens = MEMORY_TOKENS, missing = false } = {}): Promise<Stand> {
  const onnxPath = join(root, `${name}.onnx`);
  const bytes = encodeOnnx(MODELS[name]());
  await writeFile(onnxPath, bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const set = await openSegments({ onnxPath, cuts: [CUT], cacheDirectory: root });
  if ('refused' in set) throw new Error(set.refused);
  const segments = set.segments.map((segment) => (missing ? { ...segment, path: join(root, 'nowhere', segment.path) } : segment));
  const weights = new Float32Array(featureCount(set.width));
  weights[0] = weigh;
  const head = { layer: CUT, sigma: 0.01, correlation: 0.5, bias: 0, weights: encodeHalves(weights) };
  const heads: HeadsFile = {
    v: HEADS_VERSION,
    model: sha256,
    width: set.width,
    fitted_on: 'nothing',
    pairs: 1,
    queries: 1,
    heads: [head],
  };
  const capacity = Math.ceil(tokens / PAGE_TOKENS);
  const memory = new SharedArrayBuffer(capacity * PAGE_TOKENS * set.width * 4);
  const pool = await InferencePool.start({
    models: [
      { sha256, onnxPath, output: { kind: 'logit', labelIndex: 0 }, segmented: { ...set, segments, heads, memory, cacheDirectory: root } },
    ],
    device: 'cpu',
    intraOpThreads: 1,
    threads: 2,
    batchTimeoutMs: 20_000,
    onHang: (detail) => expect.fail(detail),
    onThreadDeath: () => undefined,
  });
  endings.push(() => pool.close());
  const queues = [{}, { segment: 0 }, { segment: 1 }].map((part) => ({ sha256, maxBatchTokens: 256, maxLength: 128, ...part }));
  const scheduler = new BatchScheduler({ models: queues, runners: pool.runners, maxBatchDelayMs: 0 });
  const [pages, cuts, reasons] = [new StatePages(capacity), [] as Stand['cuts'], [] as string[]];
  const earlyExit = new EarlyExit(
    { sha256, layers: set.layers, cuts: set.cuts, sigmas: [0.01], margins: { balanced: [1], fast: [0] } },
    {
      scheduler,
      pages,
      spanOf: pairSpans,
      observer: {
        cutMade: (cut) => cuts.push(cut),
        pairsEnded: () => undefined,
        predictionOff: () => undefined,
        ranFull: ({ reason }) => reasons.push(reason),
      },
    },
  );
  return { scorer: new PairScorer({ name: 'tiny', sha256 }, { encoder, scheduler, earlyExit }), pages, cuts, reasons };
}

/** As many passages, all different, of several lengths. */
function passages(count: number): string[] {
  const word = (at: number, position: number): number => 4 + ((at * 13 + position * (at + 3)) % (BERT.words - 4));
  return Array.from({ length: count }, (_, at) =>
    Array.from({ length: 2 + ((at * 7) % 40) }, (__, position) => word(at, position)).join(' '),
  );
}

function request(change: Partial<PairRequest> = {}): PairRequest {
  return {
    query: '5 9 12',
    passages: passages(60),
    longDocument: 'truncate',
    deterministic: false,
    priority: 'sync',
    ...change,
  };
}

describe.each(Object.keys(MODELS) as (keyof typeof MODELS)[])('a model like %s, in segments', (name) => {
  it('gives pairs that stay the logits of the whole model', async () => {
    const { scorer, pages, cuts } = await stand(name);
    const whole = await scorer.score(request());
    const inSegments = await scorer.score(request({ exit: { effort: 'fast', atLeast: 10 } }));
    expect(inSegments.fullReason).toBeUndefined();
    expect(cuts).toEqual([expect.objectContaining({ layer: CUT, before: 60, after: 60 })]);
    inSegments.scores.forEach(({ logit, exitLayer }, at) => {
      expect(exitLayer).toBeUndefined();
      expect(Math.abs(logit - whole.scores[at]!.logit)).toBeLessThan(TOLERANCE);
    });
    expect(pages.used).toBe(0);
  });
});

describe('early exit on inference threads', () => {
  it('lets pairs leave, and gives the others the logits of the whole model, many requests at once', async () => {
    const { scorer, pages, cuts } = await stand('BERT', { weigh: 1 });
    const whole = await scorer.score(request());
    const all = await Promise.all(Array.from({ length: 8 }, () => scorer.score(request({ exit: { effort: 'fast', atLeast: 12 } }))));
    for (const { scores } of all) {
      const stayed = [...scores.keys()].filter((at) => scores[at]!.exitLayer === undefined);
      expect(stayed).toHaveLength(12);
      for (const at of stayed) expect(Math.abs(scores[at]!.logit - whole.scores[at]!.logit)).toBeLessThan(TOLERANCE);
      expect(scores.filter(({ exitLayer }) => exitLayer === CUT)).toHaveLength(48);
    }
    expect(cuts.map(({ after }) => after)).toEqual(Array(8).fill(12));
    await new Promise((resolve) => setImmediate(resolve));
    expect(pages.used).toBe(0);
  });

  it('has the whole model say which text it fails on', async () => {
    const { scorer, pages, reasons } = await stand('BERT');
    const poisoned = passages(40);
    poisoned[17] = `${poisoned[17]!} ${POISON}`;
    const scoring = scorer.score(request({ passages: poisoned, exit: { effort: 'fast', atLeast: 10 } }));
    await expect(scoring).rejects.toThrow();
    expect(reasons).toEqual(['fault']);
    const others = request({ passages: passages(40), exit: { effort: 'fast', atLeast: 10 } });
    expect((await scorer.score(others)).fullReason).toBeUndefined();
    // Batches of the request that failed may still be in a thread.
    await expect.poll(() => pages.used).toBe(0);
  });

  it('runs all layers for a request that needs more memory than there is, and says so', async () => {
    const { scorer, reasons } = await stand('BERT', { tokens: 64 });
    const { scores, fullReason } = await scorer.score(request({ exit: { effort: 'fast', atLeast: 10 } }));
    expect(fullReason).toBe('no_memory');
    expect(reasons).toEqual(['no_memory']);
    expect(scores.every(({ exitLayer }) => exitLayer === undefined)).toBe(true);
  });

  it('runs all layers where the segments cannot be loaded, request after request, and gives back the memory', async () => {
    const { scorer, pages, reasons } = await stand('BERT', { missing: true });
    const whole = await scorer.score(request());
    for (let round = 1; round <= 3; round += 1) {
      const { scores, fullReason } = await scorer.score(request({ exit: { effort: 'fast', atLeast: 10 } }));
      expect(fullReason).toBe('not_loaded');
      scores.forEach(({ logit }, at) => expect(Math.abs(logit - whole.scores[at]!.logit)).toBeLessThan(TOLERANCE));
    }
    expect(reasons).toEqual(Array(3).fill('not_loaded'));
    await expect.poll(() => pages.used).toBe(0);
  });
});
