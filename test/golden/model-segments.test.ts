import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { createLogger } from '@rerank-fleet/core/observability';
import { fastVariant } from '@rerank-fleet/worker/composition/fast-variant';
import { readExitHeads } from '@rerank-fleet/worker/exits/exit-heads-file';
import { shippedHeadsPath } from '@rerank-fleet/worker/exits/find-exit-heads';
import { featureCount } from '@rerank-fleet/worker/exits/pair-features';
import { openSegments } from '@rerank-fleet/worker/exits/segment-cache';
import { OnnxModel, type SessionSource } from '@rerank-fleet/worker/inference/onnx-model';
import { SegmentRunner } from '@rerank-fleet/worker/inference/segment-runner';
import { padBatch, type TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { TextPool } from '@rerank-fleet/worker/tokenization/text-pool';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readCandidateLists } from '../../bench/support/evaluation-data.ts';
import { testCacheDirectory, testEnvironment } from '../support/stack.js';

const CUTS = [1, 3, 6, 8];
const DATA = fileURLToPath(new URL('../../../shared/irdata/trec-dl19', import.meta.url));
const OUTPUT = { kind: 'logit', labelIndex: 0 } as const;

let model: ResolvedModel;
let texts: TextPool;
/** In batches of several lengths, and of one pair. */
let batches: readonly (readonly TokenSequence[])[];

beforeAll(async () => {
  model = await resolveModel(DEFAULT_RERANKER, { cacheDirectory: testCacheDirectory() });
  texts = await TextPool.start({ models: [model], threads: 1 });
  const { pairs } = JSON.parse(await readFile(new URL('reference-pairs.json', import.meta.url), 'utf8')) as {
    pairs: { query: string; passage: string }[];
  };
  const encoded = pairs.map(({ query, passage }) => texts.encodePairs(model.sha256, { query, passages: [passage], policy: 'truncate' }));
  const sequences = (await Promise.all(encoded)).flatMap(splitSequences);
  batches = [sequences.slice(0, 5), sequences.slice(5, 6), sequences.slice(6, 9), sequences.slice(9)].filter(({ length }) => length > 0);
});
afterAll(() => texts.close());

const config = () => loadConfig(testEnvironment());

async function cut({ onnxPath, withoutOptimizers = [] }: Omit<SessionSource, 'output'>): Promise<SegmentRunner> {
  const set = await openSegments({ onnxPath, cuts: CUTS, cacheDirectory: defaultCacheDirectory(config().models.cacheHome) });
  if ('refused' in set) throw new Error(set.refused);
  expect(set).toMatchObject({ layers: 12, width: 384 });
  return await SegmentRunner.load({ set, withoutOptimizers, labelIndex: 0, device: 'cpu', intraOpThreads: 1 });
}

async function sources(): Promise<Omit<SessionSource, 'output'>[]> {
  const log = createLogger({ level: 'error', process: 'test' });
  const fast = await fastVariant(model, { config: config(), log, encoder: texts });
  expect(fast?.name).toContain('graph-');
  return [{ onnxPath: model.onnxPath }, fast!];
}

it('gives the logits of the default model bit for bit, segment by segment, by its file and by its faster graph', async () => {
  for (const source of await sources()) {
    const whole = await OnnxModel.load({ ...source, output: OUTPUT }, { device: 'cpu', intraOpThreads: 1 });
    const segments = await cut(source);
    for (const batch of batches) {
      const logits = await segments.run(padBatch('', batch), () => Promise.resolve());
      expect(Array.from(logits)).toEqual(Array.from((await whole.run(padBatch('', batch))).values));
    }
    await segments.release();
    await whole.release();
  }
});

/** What the shipped heads are off by at each cut, and their stated deviations. */
async function deviations(groups: readonly (readonly TokenSequence[])[]): Promise<{ found: number[]; stated: number[] }> {
  const heads = await readExitHeads(shippedHeadsPath(model.sha256));
  expect(heads).toMatchObject({ model: model.sha256, width: 384, layers: CUTS });
  const [, fast] = await sources();
  const segments = await cut(fast!);
  const misses = CUTS.map((): number[] => []);
  const count = featureCount(384);
  for (const batch of groups) {
    const { logits, features } = await segments.collect(batch);
    const predicted = CUTS.map((layer, at) =>
      batch.map((_, row) => heads.at(layer).predict(features[at]!.subarray(row * count, (row + 1) * count))),
    );
    predicted.forEach((values, at) => misses[at]!.push(...values.map((value, row) => (value - logits[row]!) ** 2)));
  }
  await segments.release();
  const found = misses.map((squares) => Math.sqrt(squares.reduce((sum, value) => sum + value, 0) / squares.length));
  return { found, stated: CUTS.map((layer) => heads.at(layer).sigma) };
}

it('comes with heads whose predictions get nearer to the logits from cut to cut', async () => {
  const { found, stated } = await deviations(batches);
  expect(found).toEqual(found.toSorted((a, b) => b - a));
  expect(stated).toEqual(stated.toSorted((a, b) => b - a));
});

it('comes with heads that are off by about what they say, on queries that they were not fitted on', async (context) => {
  context.skip(!existsSync(DATA), 'the evaluation data is not beside this checkout');
  const lists = (await readCandidateLists('trec-dl19', 'bm25-top100.tsv')).slice(0, 12);
  const groups = await Promise.all(
    lists.map(async ({ query, documents }) =>
      splitSequences(await texts.encodePairs(model.sha256, { query, passages: documents.slice(0, 8), policy: 'truncate' })),
    ),
  );
  const { found, stated } = await deviations(groups);
  // Queries of other people on other texts: a fifth more at most cuts.
  for (const [at, deviation] of found.entries()) expect(deviation / stated[at]!).toBeLessThan(1.6);
});
