/**
 * Fits the exit heads that come with the worker, for the default model in int8, and writes apps/worker/heads. Needs a build and the evaluation data beside the checkout.
 *
 *   node scripts/fit-exit-heads.ts [--cuts 2,3,4,6,8] [--samples FOLDER] [--target FILE]
 *
 * What they are fitted on: the model's own logits of 15,163 pairs, no judgement of anybody. Three quarters are passages of MS MARCO (those of the pool of TREC DL 2019)
 * with 1,078 queries that are made of the passages themselves (`makeQueries`); the track's own queries are not read. The rest are training queries of SciFact and NFCorpus
 * and the queries of Cranfield with passages of their own sets. Each query has the best four of BM25's first 100, and others evenly from further down. Figures alone are
 * kept, no texts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { collectSamples, type FitSamples } from '@rerank-fleet/worker/exits/collect-samples';
import { writeExitHeads } from '@rerank-fleet/worker/exits/exit-heads-file';
import { shippedHeadsPath } from '@rerank-fleet/worker/exits/find-exit-heads';
import { fitHeads } from '@rerank-fleet/worker/exits/fit-heads';
import { openSegments } from '@rerank-fleet/worker/exits/segment-cache';
import { HEADS_VERSION } from '@rerank-fleet/worker/exits/heads-schema';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { graphOf, resolveDefaultModel } from '../bench/support/default-model.ts';
import { ofPassages, ofSet } from './lib/exit-samples.ts';
import { readSamples, writeSamples } from './lib/samples-folder.ts';
import { startSegments } from './lib/segment-runner.ts';

const { values: flags } = parseArgs({
  options: { cuts: { type: 'string', default: '2,3,4,6,8' }, samples: { type: 'string' }, target: { type: 'string' } },
});
const WIDTH = 384;
const FITTED_ON =
  'passages of MS MARCO with queries made of them, and queries of SciFact, NFCorpus and Cranfield with their passages; no judgements, no queries of TREC DL 2019';

const cuts = flags.cuts.split(',').map(Number);
const model = await resolveDefaultModel();

async function collect(): Promise<FitSamples> {
  const lists = [
    ...(await ofPassages('trec-dl19', { queries: 1100, documents: 11 })),
    ...(await ofSet('scifact', 'train.tsv', { queries: 150, documents: 10 })),
    ...(await ofSet('nfcorpus', 'train.tsv', { queries: 150, documents: 10 })),
    ...(await ofSet('cranfield', 'test.tsv', { queries: 100, documents: 10 })),
  ];
  const encoder = new PairEncoder(TextTokenizer.load(model.tokenizerPath), model.maxLength);
  const pairs = lists.flatMap(({ query, documents }, number) =>
    splitSequences(encoder.encodePairs({ query, passages: documents, policy: 'truncate' })).map((sequence) => ({
      query: number,
      sequence,
    })),
  );
  const folder = await mkdtemp(join(tmpdir(), 'rerank-exits-'));
  try {
    const { onnxPath, withoutOptimizers } = await graphOf(model);
    const segments = await openSegments({ onnxPath, cuts, cacheDirectory: folder });
    if ('refused' in segments) throw new Error(segments.refused);
    const runner = await startSegments(segments, withoutOptimizers);
    let told = 0;
    return await collectSamples(pairs, runner, {
      onProgress: (done) => {
        if (done < told + 1000) return;
        told = done;
        console.log(`${done} of ${pairs.length} pairs`);
      },
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const kept = flags.samples === undefined ? undefined : await readSamples({ folder: flags.samples, cuts, width: WIDTH });
const samples = kept ?? (await collect());
if (kept === undefined && flags.samples !== undefined) await writeSamples(flags.samples, samples);
const heads = fitHeads(samples, {
  onHead: ({ figures: { layer, sigma, correlation }, penalty, within }) =>
    console.log(
      `after layer ${layer}: r ${correlation.toFixed(3)} (within a query ${within.toFixed(3)}), σ ${sigma.toFixed(2)}, λ ${penalty} · pairs`,
    ),
});
const target = flags.target ?? shippedHeadsPath(model.sha256);
await writeExitHeads(target, {
  v: HEADS_VERSION,
  model: model.sha256,
  width: samples.width,
  fitted_on: FITTED_ON,
  pairs: samples.logits.length,
  queries: new Set(samples.queries).size,
  heads: heads.map(({ figures }) => figures),
});
console.log(target);
