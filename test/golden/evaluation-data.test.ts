import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { readCandidateLists, readGolden } from '../../bench/support/evaluation-data.ts';
import { startTestStack } from '../support/stack.js';
import { scoreInOrder } from './score-in-order.js';

const GOLDEN = 'ms-marco-MiniLM-L-12-v2-int8.trec-dl19-bm25.tsv';
const QUERIES = 3;
const NEEDED = [`golden/${GOLDEN}`, 'irdata/trec-dl19/corpus.jsonl', 'irdata/trec-dl19/runs/bm25-top100.tsv'];

/** Evaluation data lies beside the checkout, never in it. */
const missing = NEEDED.filter((path) => !existsSync(fileURLToPath(new URL(`../../../shared/${path}`, import.meta.url))));

/** The golden scores were made with VNNI instructions; int8 kernels without them round otherwise. */
async function logitTolerance(): Promise<number> {
  const processor = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  return /\b(avx512_vnni|avx_vnni)\b/.test(processor) ? 1e-3 : 0.5;
}

it(`gives ${QUERIES} queries of TREC DL 2019 the golden token counts and logits`, async (context) => {
  context.skip(missing.length > 0, `the evaluation data is not beside this checkout: ../shared/${missing[0] ?? ''}`);
  const [lists, golden, tolerance] = [
    await readCandidateLists('trec-dl19', 'bm25-top100.tsv'),
    await readGolden(GOLDEN),
    await logitTolerance(),
  ];
  const stack = await startTestStack();
  try {
    for (const { queryId, query, documentIds, documents } of lists.slice(0, QUERIES)) {
      const expected = documentIds.map((id) => golden.get(`${queryId}\t${id}`)!);
      expect(documentIds).toHaveLength(100);
      const scored = await scoreInOrder(stack.client, query, [...documents], { deterministic: true });
      expect(scored.map(({ tokens }) => tokens)).toEqual(expected.map(({ tokens }) => tokens));
      const worst = Math.max(...scored.map(({ logit }, position) => Math.abs(logit - expected[position]!.logit)));
      expect(worst).toBeLessThanOrEqual(tolerance);
    }
  } finally {
    await stack.stop();
  }
});
