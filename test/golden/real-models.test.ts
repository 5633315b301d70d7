import type { RerankResponse } from '@rerank-fleet/client';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestStack, type TestStack } from '../support/stack.js';
import { scoreInOrder } from './score-in-order.js';

/** int8 kernels differ between CPUs (VNNI or not) and between releases of ONNX Runtime. */
const LOGIT_TOLERANCE = 0.5;
/** The same, of the cosine of two unit vectors. */
const COSINE_TOLERANCE = 0.02;
/** How far dynamic int8 moves a logit with its batch mates: .91 at most on 4,300 pairs. */
const BATCH_TOLERANCE = 1;

interface ReferencePairs {
  readonly pairs: readonly { readonly query: string; readonly passage: string }[];
  readonly queries: readonly string[];
  readonly passages: readonly string[];
}

/** Of write-reference-scores.py, one entry for each of the pairs; a row of cosines for each query. */
interface ReferenceScores {
  readonly pairs: readonly { readonly tokens: number; readonly logit: number }[];
  readonly cosines: readonly (readonly number[])[];
}

const readJson = async (name: string): Promise<unknown> => JSON.parse(await readFile(new URL(name, import.meta.url), 'utf8')) as unknown;

let stack: TestStack;
let given: ReferencePairs;
let reference: ReferenceScores;

beforeAll(async () => {
  given = (await readJson('reference-pairs.json')) as ReferencePairs;
  reference = (await readJson('reference-scores.json')) as ReferenceScores;
  stack = await startTestStack();
});

afterAll(() => stack.stop());

describe('the default cross-encoder', () => {
  it('gives the Berlin pair the logits of its model page', async () => {
    const [berlin, newYork] = given.pairs;
    const [first, second] = await scoreInOrder(stack.client, berlin!.query, [berlin!.passage, newYork!.passage], { deterministic: true });
    expect([first!.tokens, second!.tokens]).toEqual([34, 22]);
    expect(Math.abs(first!.logit - 9.33)).toBeLessThanOrEqual(LOGIT_TOLERANCE);
    expect(Math.abs(second!.logit - -11.16)).toBeLessThanOrEqual(LOGIT_TOLERANCE);
  });

  it('tokenizes and scores as the reference implementation does', async () => {
    for (const [position, { query, passage }] of given.pairs.entries()) {
      const { tokens, logit } = reference.pairs[position]!;
      const [scored] = await scoreInOrder(stack.client, query, [passage], { deterministic: true });
      expect(scored!.tokens).toBe(tokens);
      expect(Math.abs(scored!.logit - logit)).toBeLessThanOrEqual(LOGIT_TOLERANCE);
    }
  });

  it('puts the pruning guide first and the shears second, stock and pie far below', async () => {
    const documents = {
      stock: 'Apple shares closed two per cent higher on Tuesday after the company reported record sales of its phones.',
      shears:
        'These bypass shears are made for fruit trees such as apple: a sharp pair of pruning shears cuts a branch as thick as a thumb cleanly, so that it heals.',
      pie: 'For the pie, peel and slice six tart apples, toss them with sugar and cinnamon, and bake for fifty minutes under a lid of butter pastry.',
      guide:
        'How to prune apple trees: work in late winter while the tree is dormant. Take out dead, diseased and crossing branches first, then thin the crown so that light reaches the fruit, and never remove more than a quarter of the wood in a year.',
    };
    const names = Object.keys(documents);
    const answer = await stack.client.rerank({ query: 'best practices for pruning apple trees', documents: Object.values(documents) });
    const ranking = answer.results.map(({ index }) => names[index]);
    expect(ranking.slice(0, 2)).toEqual(['guide', 'shears']);
    expect(ranking.slice(2).toSorted()).toEqual(['pie', 'stock']);
    const scores = answer.results.map(({ relevance_score }) => relevance_score);
    expect(scores[0]).toBeGreaterThan(0.9);
    expect(scores[2]).toBeLessThan(0.05);
    expect(scores[3]).toBeLessThan(0.05);
  });

  it('scores sigmoid and logit as one, in double precision', async () => {
    const { query, passage } = given.pairs[0]!;
    const ask = (raw_scores: boolean): Promise<RerankResponse> =>
      stack.client.rerank({ query, documents: [passage], deterministic: true, raw_scores, explain: true });
    const [scored] = (await ask(false)).results;
    expect(scored!.relevance_score).toBe(1 / (1 + Math.exp(-scored!.logit!)));
    expect(scored!.relevance_score).toBeLessThan(1);
    expect((await ask(true)).results[0]!.relevance_score).toBe(scored!.logit);
  });

  it('scores a pair the same alone and among thirty others when it is told to be deterministic, and nearly so when not', async () => {
    const { query, passage } = given.pairs[0]!;
    const others = Array.from({ length: 30 }, (_, number) =>
      `${given.passages[number % given.passages.length]!} `.repeat(1 + (number % 5)),
    );
    const logitOf = async (documents: string[], deterministic: boolean): Promise<number> =>
      (await scoreInOrder(stack.client, query, documents, { deterministic })).at(-1)!.logit;
    const alone = await logitOf([passage], true);
    expect(Math.abs((await logitOf([...others, passage], true)) - alone)).toBeLessThanOrEqual(1e-6);
    expect(Math.abs((await logitOf([...others, passage], false)) - alone)).toBeLessThanOrEqual(BATCH_TOLERANCE);
  });

  it('scores a pair the same while other requests fill the queue, when it is told to be deterministic', async () => {
    const { query, passage } = given.pairs[0]!;
    const score = async (): Promise<number> => (await scoreInOrder(stack.client, query, [passage], { deterministic: true }))[0]!.logit;
    const alone = await score();
    const noise = [1, 2, 3].map((number) =>
      stack.client.rerank({ query: `noise ${number}`, documents: [...given.passages, ...given.passages] }),
    );
    const among = await Promise.all([score(), score(), score()]);
    await Promise.all(noise);
    expect(among).toEqual([alone, alone, alone]);
  });

  it('keeps the query whole and cuts a document that is too long, and says so', async () => {
    const text = 'The moon pulls on the sea. '.repeat(400);
    const [long, short] = await scoreInOrder(stack.client, 'what pulls on the sea', [text, 'The moon pulls on the sea.'], {
      deterministic: true,
    });
    expect(long).toMatchObject({ tokens: 512, truncated: true });
    expect(short).toMatchObject({ truncated: false });
    expect(long!.logit).toBeGreaterThan(0);
    await expect(stack.client.rerank({ query: 'sea', documents: [text], long_document: 'error' })).rejects.toMatchObject({
      code: 'pair_too_long',
      status: 422,
    });
    await expect(stack.client.rerank({ query: text.slice(0, 20_000), documents: ['short'] })).rejects.toMatchObject({
      code: 'query_too_long',
      status: 422,
    });
  });

  it('orders equal documents by their position', async () => {
    const { query, passage } = given.pairs[1]!;
    const { results } = await stack.client.rerank({ query, documents: [passage, passage, passage], deterministic: true });
    expect(results.map(({ index }) => index)).toEqual([0, 1, 2]);
  });
});

describe('the default embedder', () => {
  it('gives the cosines of the reference implementation', async () => {
    await stack.client.putCorpus('cosines', { chunking: { mode: 'none' } });
    // One at a time: dynamic int8 makes a vector depend on its batch mates, and the reference ran one text at a time.
    for (const [number, text] of given.passages.entries())
      await stack.client.ingest('cosines', [{ id: String(number), text }], { wait: true });
    for (const [row, query] of given.queries.entries()) {
      const { results } = await stack.client.search({ corpus: 'cosines', query, mode: 'dense', rerank: false });
      expect(results).toHaveLength(given.passages.length);
      for (const { document_id, first_stage } of results) {
        expect(Math.abs(first_stage.score - reference.cosines[row]![Number(document_id)]!)).toBeLessThanOrEqual(COSINE_TOLERANCE);
      }
      const best = reference.cosines[row]!.indexOf(Math.max(...reference.cosines[row]!));
      expect(results[0]!.document_id).toBe(String(best));
    }
  });
});
