/**
 * The reference implementation's scores through `/v1/rerank` of a running stack. Token counts must agree exactly; logits within the stated tolerance; the
 * ranking's nDCG@10 must be the reference's. Uses the stack at RERANK_URL, else starts one of its own.
 *
 *   npm run bench:golden
 */
import { readCandidateLists, readGolden, readJudgements } from '../support/evaluation-data.ts';
import { meanNdcg } from '../support/ndcg.ts';
import { describeMachine, printTable, quantile } from '../support/report.ts';
import { withStack } from '../support/with-stack.ts';

const GOLDEN = 'ms-marco-MiniLM-L-12-v2-int8.trec-dl19-bm25.tsv';
/** int8 kernels differ between CPUs: with AVX-512 VNNI, as where the reference ran, logits agree closely; elsewhere within half a logit. */
const LOGIT_TOLERANCE = 1e-3;
const NDCG = { expected: 0.723, tolerance: 0.005 };

interface Scored {
  readonly index: number;
  readonly logit: number;
  readonly tokens: number;
}

async function rerank(url: string, query: string, documents: readonly string[]): Promise<readonly Scored[]> {
  const response = await fetch(`${url}/v1/rerank`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, documents, explain: true, deterministic: true }),
  });
  if (!response.ok) throw new Error(`/v1/rerank answered ${response.status}: ${await response.text()}`);
  return ((await response.json()) as { results: Scored[] }).results;
}

const lists = await readCandidateLists('trec-dl19', 'bm25-top100.tsv');
const golden = await readGolden(GOLDEN);
const judgements = await readJudgements('trec-dl19', 'test.tsv');

await withStack(async (url) => {
  const rankings = new Map<string, string[]>();
  const differences: number[] = [];
  let tokenFaults = 0;
  const started = performance.now();
  for (const { queryId, query, documentIds, documents } of lists) {
    const results = await rerank(url, query, documents);
    rankings.set(
      queryId,
      results.map(({ index }) => documentIds[index]!),
    );
    for (const { index, logit, tokens } of results) {
      const expected = golden.get(`${queryId}\t${documentIds[index]!}`)!;
      differences.push(Math.abs(logit - expected.logit));
      if (tokens !== expected.tokens) tokenFaults += 1;
    }
  }
  const seconds = (performance.now() - started) / 1_000;
  const first = meanNdcg(new Map(lists.map(({ queryId, documentIds }) => [queryId, documentIds])), judgements, 10);
  const reranked = meanNdcg(rankings, judgements, 10);
  const worst = Math.max(...differences);
  const beyond = differences.filter((difference) => difference > LOGIT_TOLERANCE).length;
  console.log(`${describeMachine()}\n${differences.length} pairs of ${lists.length} queries in ${seconds.toFixed(1)} s, one pair a run\n`);
  printTable(
    ['measure', 'value', 'expected'],
    [
      ['pairs', String(differences.length), String(golden.size)],
      ['token counts that differ', String(tokenFaults), '0'],
      ['logit difference, mean', (differences.reduce((sum, value) => sum + value, 0) / differences.length).toExponential(2), ''],
      ['logit difference, 99th percentile', quantile(differences, 0.99).toExponential(2), ''],
      ['logit difference, worst', worst.toExponential(2), `≤ ${LOGIT_TOLERANCE} on a CPU with VNNI`],
      [`pairs beyond ${LOGIT_TOLERANCE}`, String(beyond), '0'],
      ['nDCG@10 of BM25', first.toFixed(4), '0.5058'],
      ['nDCG@10 reranked', reranked.toFixed(4), `${NDCG.expected} ± ${NDCG.tolerance}`],
    ],
  );
  const passed =
    differences.length === golden.size && tokenFaults === 0 && beyond === 0 && Math.abs(reranked - NDCG.expected) <= NDCG.tolerance;
  console.log(passed ? '\nequal to the reference' : '\nNOT equal to the reference');
  process.exitCode = passed ? 0 : 1;
});
