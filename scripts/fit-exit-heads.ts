/**
 * Fits the exit heads that come with the worker, for the default model in int8, and writes apps/worker/heads. Needs a build and the evaluation data beside the checkout.
 *
 *   node scripts/fit-exit-heads.ts [--cuts 1,3,6,8] [--samples FOLDER] [--target FILE] [--part 1]
 *
 * What they are fitted on: the model's own logits of 68,228 pairs, no judgement of anybody. Six of seven are passages of MS MARCO (those of the pool of TREC DL 2019)
 * with 5,982 queries that are made of the passages themselves (`makeQueries`); the track's own queries are not read. The rest are 1,025 queries of SciFact's and NFCorpus'
 * training parts and of Cranfield, with passages of their own sets. Each query has the best four of BM25's first 100, and others evenly from further down. Figures alone are
 * kept, no texts. On two cores pairs are scored in some twenty minutes, and the fit takes twelve.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { collectFromModel, cutForFit } from '@rerank-fleet/worker/exits/collect-from-model';
import type { FitSamples } from '@rerank-fleet/worker/exits/collect-samples';
import { encodeLists } from '@rerank-fleet/worker/exits/encode-lists';
import { shippedHeadsPath } from '@rerank-fleet/worker/exits/find-exit-heads';
import type { FittedHead } from '@rerank-fleet/worker/exits/fit-heads';
import { fitHeadsOnThreads } from '@rerank-fleet/worker/exits/fit-heads-on-threads';
import { writeFit } from '@rerank-fleet/worker/exits/write-fit';
import { TextPool } from '@rerank-fleet/worker/tokenization/text-pool';
import { graphOf, resolveDefaultModel } from '../bench/support/default-model.ts';
import { ofPassages, ofSet, type Share } from './lib/exit-samples.ts';
import { readSamples, writeSamples } from './lib/samples-folder.ts';

const { values: flags } = parseArgs({
  options: {
    cuts: { type: 'string', default: '1,3,6,8' },
    samples: { type: 'string' },
    target: { type: 'string' },
    part: { type: 'string', default: '1' },
  },
});
const WIDTH = 384;
const FITTED_ON =
  'passages of MS MARCO with queries made of them, and queries of SciFact, NFCorpus and Cranfield with their passages; no judgements, no queries of TREC DL 2019';

const cuts = flags.cuts.split(',').map(Number);
const model = await resolveDefaultModel();

/** A part of each share, for a try. */
const part = Number(flags.part);
const share = (queries: number, documents: number): Share => ({ queries: Math.max(1, Math.round(part * queries)), documents });

async function collect(): Promise<FitSamples> {
  const lists = [
    ...(await ofPassages('trec-dl19', share(6000, 10))),
    ...(await ofSet('scifact', 'train.tsv', share(400, 10))),
    ...(await ofSet('nfcorpus', 'train.tsv', share(400, 10))),
    ...(await ofSet('cranfield', 'test.tsv', share(225, 10))),
  ];
  const texts = await TextPool.start({ models: [model], threads: 1 });
  const { pairs } = await encodeLists(lists, model.sha256, texts);
  await texts.close();
  const folder = await mkdtemp(join(tmpdir(), 'rerank-exits-'));
  try {
    const { onnxPath, withoutOptimizers } = await graphOf(model);
    const graph = {
      name: model.name,
      onnxPath,
      withoutOptimizers,
      device: 'cpu',
      intraOpThreads: 1,
      threads: availableParallelism(),
      labelIndex: model.labelIndex ?? 0,
      cacheDirectory: folder,
    } as const;
    const set = await cutForFit(graph, cuts);
    let told = 0;
    return await collectFromModel(
      pairs,
      { set, graph },
      {
        onProgress: (done) => {
          if (done < told + 1000) return;
          told = done;
          console.log(`${done} of ${pairs.length} pairs`);
        },
      },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const describe = ({ kind, sigma, correlation, within }: FittedHead['other']): string =>
  `${kind} with σ ${sigma.toFixed(3)}, r ${correlation.toFixed(3)} (within a query ${within.toFixed(3)})`;

const kept = flags.samples === undefined ? undefined : await readSamples({ folder: flags.samples, cuts, width: WIDTH });
const samples = kept ?? (await collect());
if (kept === undefined && flags.samples !== undefined) await writeSamples(flags.samples, samples);
const heads = await fitHeadsOnThreads(samples, {
  onHead: ({ kind, figures: { layer, sigma, correlation }, within, other, penalty }) =>
    console.log(
      `after layer ${layer}: ${describe({ kind, sigma, correlation, within })}; not kept: ${describe(other)}; λ of the ridge ${penalty} · pairs`,
    ),
});
const target = flags.target ?? shippedHeadsPath(model.sha256);
await writeFit(target, { model: model.sha256, samples, heads, fittedOn: FITTED_ON });
console.log(target);
