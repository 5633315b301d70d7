/**
 * Early exit through the whole stack: pairs per second and nDCG@10 of each `effort`, the candidates being BM25's best hundred. Every round runs each effort once, so that
 * a machine that slows down slows all of them down.
 *
 *   npm run bench:early-exit                                         TREC DL 2019, 3 rounds: 4 minutes
 *   npm run bench:early-exit -- --set scifact                        also nfcorpus; 40 queries
 *   npm run bench:early-exit -- --set scifact --heads default,own    the heads that come with the worker beside some that are fitted on the set's own texts
 *   npm run bench:early-exit -- --curve                              quality against speed for many margins, engine only
 *   npm run bench:early-exit -- --curve --publish                    … into docs/early-exit.svg, and its figures beside this file
 *
 *   --rounds N, --queries N     fewer are faster
 *   --fit-pairs N               what own heads are fitted on (2,000)
 *   --folder DIR                keeps own heads there, and takes those that it finds
 *   --svg FILE                  the curve elsewhere
 */
import { parseArgs } from 'node:util';
import { readCandidateLists, readJudgements } from '../support/evaluation-data.ts';
import { findCandidates } from '../support/bm25-candidates.ts';
import { benchCurve } from './bench-curve.ts';
import { benchEfforts, type EvaluationSet } from './bench-efforts.ts';

const DEPTH = 100;
/** Of the sets with many queries: the first so many. Their texts are long, so with two kinds of heads fewer take as long. */
const QUERIES = { oneKind: 40, severalKinds: 20 } as const;

const { values } = parseArgs({
  options: {
    set: { type: 'string', default: 'trec-dl19' },
    rounds: { type: 'string' },
    queries: { type: 'string' },
    heads: { type: 'string' },
    'fit-pairs': { type: 'string', default: '2000' },
    folder: { type: 'string' },
    curve: { type: 'boolean', default: false },
    publish: { type: 'boolean', default: false },
    svg: { type: 'string' },
  },
});
const heads = values.heads?.split(',') ?? [];

async function readSet(name: string): Promise<EvaluationSet> {
  const judgements = await readJudgements(name, 'test.tsv');
  const all = name === 'trec-dl19' ? await readCandidateLists(name, 'bm25-top100.tsv') : await findCandidates(name, 'test.tsv', DEPTH);
  const few = heads.length > 1 ? QUERIES.severalKinds : QUERIES.oneKind;
  const most = values.queries === undefined ? (name === 'trec-dl19' ? Infinity : few) : Number(values.queries);
  return { name, depth: DEPTH, lists: all.slice(0, most), judgements };
}

const set = await readSet(values.set);
if (values.curve) {
  await benchCurve(set, { rounds: Number(values.rounds ?? 2), svg: values.svg, publish: values.publish });
} else {
  const rounds = Number(values.rounds ?? (heads.length > 1 ? 1 : 3));
  await benchEfforts(set, { rounds, heads, fitPairs: Number(values['fit-pairs']), folder: values.folder });
}
