/**
 * What a file's precision and a pair's batch mates do to its logit and to the ranking: int8 one pair a run, int8 in eights sorted by length over all queries,
 * and the same weights dequantized to fp32 and fp16, on TREC DL 2019's BM25 top 100. Through the worker's tokenizer and inference threads.
 *
 *   npm run bench:precision [-- --pairs 4300]
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { InferencePool } from '@rerank-fleet/worker/inference/inference-pool';
import { padBatch, type TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { writeDequantized } from '../../scripts/lib/dequantize-model.ts';
import { chosen } from '../../test/support/environment.ts';
import { readCandidateLists, readJudgements, type CandidateList } from '../support/evaluation-data.ts';
import { meanNdcg } from '../support/ndcg.ts';
import { describeMachine, printTable, quantile } from '../support/report.ts';

const BATCH = 8;
const BATCH_TIMEOUT_MS = 60_000;

const { values: flags } = parseArgs({ options: { pairs: { type: 'string', default: '1000' } } });
const cache = { cacheDirectory: defaultCacheDirectory(chosen('XDG_CACHE_HOME')) };

interface Way {
  readonly name: string;
  readonly logits: Float64Array;
}

/** Whole lists until there are enough pairs. */
function firstLists(lists: readonly CandidateList[], pairs: number): CandidateList[] {
  let sum = 0;
  return lists.filter(({ documents }) => (sum += documents.length) - documents.length < pairs);
}

/** Runs batches of positions on all threads; logits in the order of the sequences. */
async function score(model: ResolvedModel, sequences: readonly TokenSequence[], batches: readonly number[][]): Promise<Float64Array> {
  const { sha256, onnxPath } = model;
  const fail = (detail: string): never => {
    throw new Error(detail);
  };
  const pool = await InferencePool.start({
    models: [{ sha256, onnxPath, output: { kind: 'logit', labelIndex: 0 } }],
    device: 'cpu',
    intraOpThreads: 1,
    threads: availableParallelism(),
    batchTimeoutMs: BATCH_TIMEOUT_MS,
    onHang: fail,
    onThreadDeath: fail,
  });
  const logits = new Float64Array(sequences.length);
  const waiting = batches.values();
  await Promise.all(
    pool.runners.map(async (runner) => {
      for (const positions of waiting) {
        const { values } = await runner.run(
          padBatch(
            sha256,
            positions.map((position) => sequences[position]!),
          ),
        );
        positions.forEach((position, row) => (logits[position] = values[row]!));
      }
    }),
  );
  await pool.close();
  return logits;
}

const lists = firstLists(await readCandidateLists('trec-dl19', 'bm25-top100.tsv'), Number(flags.pairs));
const judgements = await readJudgements('trec-dl19', 'test.tsv');
const int8 = await resolveModel(`${DEFAULT_RERANKER}@int8`, cache);
const encoder = new PairEncoder(TextTokenizer.load(int8.tokenizerPath), int8.maxLength);
const sequences = lists.flatMap(({ query, documents }) =>
  splitSequences(encoder.encodePairs({ query, passages: documents, policy: 'truncate' })),
);
const alone = sequences.map((_, position) => [position]);
const sorted = [...sequences.keys()].sort((a, b) => sequences[a]!.ids.length - sequences[b]!.ids.length);
const eights = Array.from({ length: Math.ceil(sorted.length / BATCH) }, (_, batch) => sorted.slice(batch * BATCH, (batch + 1) * BATCH));

function ndcg(logits: Float64Array): number {
  let first = 0;
  const rankings = lists.map(({ queryId, documentIds }) => {
    const mine = logits.subarray(first, (first += documentIds.length));
    const order = [...documentIds.keys()].sort((a, b) => mine[b]! - mine[a]! || a - b);
    return [queryId, order.map((index) => documentIds[index]!)] as const;
  });
  return meanNdcg(new Map(rankings), judgements, 10);
}

const differences = (way: Way, from: Way): number[] =>
  Array.from(way.logits, (logit, position) => Math.abs(logit - from.logits[position]!));

function row(way: Way, alike: Way): string[] {
  const values = differences(way, alike);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return [mean, quantile(values, 0.99), Math.max(...values)].map((value) => (way === alike ? '–' : value.toFixed(3)));
}

const folder = await mkdtemp(join(tmpdir(), 'rerank-precision-'));
try {
  const float = async (precision: 'fp32' | 'fp16'): Promise<ResolvedModel> => {
    const target = join(folder, `${DEFAULT_RERANKER}@${precision}`);
    await writeDequantized({ ...int8, target, precision });
    return await resolveModel(`${DEFAULT_RERANKER}@${precision}`, { ...cache, modelsDirectory: folder, pull: false });
  };
  const single: Way = { name: 'int8, one pair a run', logits: await score(int8, sequences, alone) };
  const together: Way = { name: 'int8, sorted eights', logits: await score(int8, sequences, eights) };
  const full: Way = { name: 'fp32, sorted eights', logits: await score(await float('fp32'), sequences, eights) };
  const half: Way = { name: 'fp16, sorted eights', logits: await score(await float('fp16'), sequences, eights) };
  console.log(`${describeMachine()}\n${DEFAULT_RERANKER}, ${sequences.length} pairs of ${lists.length} queries of trec-dl19\n`);
  printTable(
    ['way', 'logit apart from int8 alone: mean', '99th percentile', 'most', 'from fp32: mean', '99th percentile', 'most', 'nDCG@10'],
    [single, together, full, half].map((way) => [way.name, ...row(way, single), ...row(way, full), ndcg(way.logits).toFixed(4)]),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
