/**
 * What the faster graph of a cross-encoder saves and what it does to its logits: the file as it is, without the fusion that is slow on CPUs, with the last
 * layer narrowed to the token that is read and its sizes spelled out, both, and with attention in one node where a batch has no padding. CPU time of one session on one thread, the ways in turn at each batch, on TREC DL 2019's BM25 top 100.
 *
 *   npm run bench:graph [-- --pairs 4300 --budget 512 --precision fp32]
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { rewriteModel } from '@rerank-fleet/worker/graph/rewrite-model';
import { OnnxModel, type SessionSource } from '@rerank-fleet/worker/inference/onnx-model';
import { padBatch } from '@rerank-fleet/worker/pipeline/batch-runner';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { dequantizeModel } from '../../scripts/lib/dequantize-model.ts';
import { resolveDefaultModel } from '../support/default-model.ts';
import { readCandidateLists, readJudgements } from '../support/evaluation-data.ts';
import { meanNdcg } from '../support/ndcg.ts';
import { describeMachine, median, printTable, quantile } from '../support/report.ts';

const { values: flags } = parseArgs({
  options: {
    pairs: { type: 'string', default: '1000' },
    budget: { type: 'string', default: '512' },
    precision: { type: 'string', default: 'int8' },
  },
});
const FUSION = ['SkipLayerNormFusion'];
const OUTPUT = { kind: 'logit', labelIndex: 0 } as const;

interface Way {
  readonly name: string;
  readonly model: OnnxModel;
  readonly logits: Float64Array;
  /** Milliseconds of each batch. */
  readonly cpuMs: number[];
}

const model = await resolveDefaultModel();
const judgements = await readJudgements('trec-dl19', 'test.tsv');
let sum = 0;
const lists = (await readCandidateLists('trec-dl19', 'bm25-top100.tsv')).filter(
  ({ documents }) => (sum += documents.length) - documents.length < Number(flags.pairs),
);
const encoder = new PairEncoder(TextTokenizer.load(model.tokenizerPath), model.maxLength);
const sequences = lists.flatMap(({ query, documents }) =>
  splitSequences(encoder.encodePairs({ query, passages: documents, policy: 'truncate' })),
);

/** Neighbours in length, as a worker plans them. */
function batchesOf(budget: number): number[][] {
  const sorted = [...sequences.keys()].sort((a, b) => sequences[b]!.ids.length - sequences[a]!.ids.length);
  const batches: number[][] = [];
  for (let from = 0; from < sorted.length; from += batches.at(-1)!.length) {
    const most = Math.max(1, Math.floor(budget / sequences[sorted[from]!]!.ids.length));
    batches.push(sorted.slice(from, from + most));
  }
  return batches;
}

async function writeRewritten(
  original: Uint8Array,
  { folder, fusesAttention }: { readonly folder: string; readonly fusesAttention: boolean },
): Promise<string> {
  const rewritten = rewriteModel(original, { fusesAttention });
  if ('unrecognised' in rewritten) throw new Error(rewritten.unrecognised);
  const path = join(folder, fusesAttention ? 'fused.onnx' : 'plain.onnx');
  await writeFile(path, rewritten.bytes);
  return path;
}

async function open(folder: string): Promise<Way[]> {
  const file = flags.precision === 'int8' ? model.onnxPath : join(folder, 'float.onnx');
  if (flags.precision !== 'int8') await writeFile(file, dequantizeModel(await readFile(model.onnxPath), 'fp32'));
  const original = await readFile(file);
  const [plain, fused] = await Promise.all([false, true].map((fusesAttention) => writeRewritten(original, { folder, fusesAttention })));
  const sources: [string, Omit<SessionSource, 'output'>][] = [
    ['the file', { onnxPath: file }],
    ['without the fusion', { onnxPath: file, withoutOptimizers: FUSION }],
    ['rewritten', { onnxPath: plain! }],
    ['rewritten, without the fusion', { onnxPath: plain!, withoutOptimizers: FUSION }],
    ['attention in one node, too', { onnxPath: fused!, withoutOptimizers: FUSION }],
  ];
  const ways: Way[] = [];
  for (const [name, source] of sources) {
    const loaded = await OnnxModel.load({ ...source, output: OUTPUT }, { device: 'cpu', intraOpThreads: 1 });
    ways.push({ name, model: loaded, logits: new Float64Array(sequences.length), cpuMs: [] });
  }
  return ways;
}

async function runBatch(way: Way, positions: readonly number[]): Promise<void> {
  const batch = padBatch(
    '',
    positions.map((position) => sequences[position]!),
  );
  const before = process.cpuUsage();
  const { values } = await way.model.run(batch);
  const { user, system } = process.cpuUsage(before);
  way.cpuMs.push((user + system) / 1_000);
  positions.forEach((position, row) => (way.logits[position] = values[row]!));
}

function ndcg({ logits }: Way): number {
  let first = 0;
  const rankings = lists.map(({ queryId, documentIds }) => {
    const mine = logits.subarray(first, (first += documentIds.length));
    const order = [...documentIds.keys()].sort((a, b) => mine[b]! - mine[a]! || a - b);
    return [queryId, order.map((index) => documentIds[index]!)] as const;
  });
  return meanNdcg(new Map(rankings), judgements, 10);
}

function row(way: Way, file: Way): string[] {
  const apart = Array.from(way.logits, (logit, position) => Math.abs(logit - file.logits[position]!));
  const mean = apart.reduce((total, value) => total + value, 0) / apart.length;
  const ratio = median(way.cpuMs.map((ms, batch) => ms / file.cpuMs[batch]!));
  const perPair = way.cpuMs.reduce((total, ms) => total + ms, 0) / sequences.length;
  const difference = [mean, quantile(apart, 0.99), Math.max(...apart)].map((value) => value.toFixed(4));
  return [way.name, perPair.toFixed(2), ratio.toFixed(3), ...(way === file ? ['–', '–', '–'] : difference), ndcg(way).toFixed(4)];
}

const folder = await mkdtemp(join(tmpdir(), 'rerank-graph-'));
try {
  const ways = await open(folder);
  const batches = batchesOf(Number(flags.budget));
  for (const way of ways) await runBatch(way, batches[0]!);
  for (const way of ways) way.cpuMs.length = 0;
  for (const [number, batch] of batches.entries()) {
    // Each goes first in its turn.
    for (let turn = 0; turn < ways.length; turn += 1) await runBatch(ways[(turn + number) % ways.length]!, batch);
  }
  console.log(
    `${describeMachine()}\n${model.name} (${flags.precision}), ${sequences.length} pairs of ${lists.length} queries of trec-dl19\n`,
  );
  printTable(
    ['graph', 'CPU ms a pair', '÷ the file (median of batches)', 'logit apart: mean', '99th percentile', 'most', 'nDCG@10'],
    ways.map((way) => row(way, ways[0]!)),
  );
} finally {
  await rm(folder, { recursive: true, force: true });
}
