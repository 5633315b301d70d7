/**
 * nDCG@10 and recall@100 of sparse, dense and hybrid search over scifact, nfcorpus and cranfield: the documents go in over REST, the queries through
 * /v1/search, on a stack of its own. Fails if dense search without chunking is worse than the reference by more than the tolerance.
 *
 *   npm run bench:quality [-- --sets scifact,nfcorpus,cranfield --chunking off|default|both --rerank 20]
 *   npm run bench:quality -- --full          both chunkings, and 20 queries of each set reranked; twenty minutes on two cores
 */
import { parseArgs } from 'node:util';
import { RerankClient, type CorpusSettingsParameters } from '@rerank-fleet/client';
import { readDocuments } from '../support/beir-documents.ts';
import { readJudgements, readTexts } from '../support/evaluation-data.ts';
import { describeMachine, printTable } from '../support/report.ts';
import { uploadDocuments } from '../support/upload-documents.ts';
import { withOwnStack } from '../support/with-stack.ts';
import { evaluateSearch, judgedQueries, type EvaluationSet, type Quality, type Searches } from './evaluate-search.ts';
import { DENSE_TOLERANCE, REFERENCES } from './reference.ts';

const { values: flags } = parseArgs({
  options: {
    sets: { type: 'string', default: Object.keys(REFERENCES).join(',') },
    chunking: { type: 'string' },
    rerank: { type: 'string' },
    full: { type: 'boolean', default: false },
  },
});
const CHUNKINGS: Readonly<Record<string, CorpusSettingsParameters>> = { off: { chunking: { mode: 'none' } }, default: {} };
const MODES = ['sparse', 'dense', 'hybrid'] as const;
const DEPTH = 100;
/** Passages looked at so that 100 documents are among them, where documents are cut. */
const PASSAGE_DEPTH = 400;
const POLL_MS = 1_000;
/** Longest time of an upload or a search here, in milliseconds. */
const PATIENCE_MS = 3_600_000;

const chunking = flags.chunking ?? (flags.full ? 'both' : 'off');
const chunkings = chunking === 'both' ? Object.keys(CHUNKINGS) : [chunking];
const reranked = Number(flags.rerank ?? (flags.full ? 20 : 0));

interface Row {
  readonly set: string;
  readonly chunking: string;
  readonly way: string;
  readonly quality: Quality;
}

async function measureSet(client: RerankClient, set: string, chunked: string): Promise<Row[]> {
  const corpus = `${set}-${chunked}`;
  await client.putCorpus(corpus, CHUNKINGS[chunked]);
  const documents = await readDocuments(set);
  const { ms } = await uploadDocuments(client, corpus, documents, POLL_MS);
  const { passages } = await client.getCorpus(corpus);
  const data: EvaluationSet = { queries: await readTexts(set, 'queries'), judgements: await readJudgements(set, 'test.tsv') };
  const seconds = (ms / 1_000).toFixed(0);
  console.log(`${set}, chunking ${chunked}: ${documents.length} documents, ${passages} passages, stored in ${seconds} s`);
  const first = { corpus, rerank: false, top_k: chunked === 'off' ? DEPTH : PASSAGE_DEPTH, top_n: DEPTH };
  const rows: Row[] = [];
  const measure = async (way: string, search: Omit<Searches, 'corpus'>): Promise<void> => {
    const quality = await evaluateSearch(client, data, { ...first, ...search });
    console.log(`  ${way}: nDCG@10 ${quality.ndcg.toFixed(4)}, recall@100 ${quality.recall.toFixed(4)}`);
    rows.push({ set, chunking: chunked, way, quality });
  };
  for (const mode of MODES) await measure(mode, { mode, ids: judgedQueries(data) });
  if (reranked === 0) return rows;
  const sample = { mode: 'hybrid' as const, ids: judgedQueries(data, reranked), top_k: DEPTH };
  await measure('hybrid, a sample', sample);
  await measure('the same, top 100 reranked', { ...sample, rerank: true });
  return rows;
}

/** How it stands to what is known, and whether that is a goal that was missed. */
function judge({ set, chunking: chunked, way, quality }: Row): { readonly note: string; readonly missed: boolean } {
  const reference = REFERENCES[set];
  if (way === 'dense' && chunked === 'off' && reference !== undefined) {
    const { ndcg, recall } = reference.dense;
    // As they are stated, to four decimals.
    const apart = [quality.ndcg - ndcg, quality.recall - recall].map((value) => Math.round(value * 10_000) / 10_000);
    const missed = apart.some((value) => value < -DENSE_TOLERANCE);
    const signed = apart.map((value) => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`);
    return { note: `${ndcg.toFixed(4)}, ${recall.toFixed(4)}: ${signed.join(', ')}${missed ? ': MISSED' : ''}`, missed };
  }
  if (way === 'sparse' && reference?.bm25 !== undefined) {
    const [least, most] = reference.bm25;
    const missed = chunked === 'off' && quality.ndcg < least;
    return { note: `${least.toFixed(2)}–${most.toFixed(2)}${missed ? ': MISSED' : ''}`, missed };
  }
  return { note: '', missed: false };
}

if (chunkings.some((name) => CHUNKINGS[name] === undefined)) throw new Error('--chunking takes off, default or both.');
console.log(`${describeMachine()}\n`);
await withOwnStack(
  async ({ url }) => {
    const client = new RerankClient({ baseUrl: url, timeoutMs: PATIENCE_MS });
    const rows: Row[] = [];
    for (const chunked of chunkings) for (const set of flags.sets.split(',')) rows.push(...(await measureSet(client, set, chunked)));
    console.log();
    printTable(
      ['set', 'chunking', 'search', 'queries', 'nDCG@10', 'recall@100', 'known'],
      rows.map((row) => {
        const { queries, ndcg, recall } = row.quality;
        return [row.set, row.chunking, row.way, `${queries}`, ndcg.toFixed(4), recall.toFixed(4), judge(row).note];
      }),
    );
    process.exitCode = rows.some((row) => judge(row).missed) ? 1 : 0;
  },
  { SYNC_TIMEOUT_MS: '600000' },
);
