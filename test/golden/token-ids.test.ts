import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_RERANKER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chosen } from '../support/environment.js';
import { MULTILINGUAL_LAYOUTS, multilingualTokenizer } from '../support/tiny-models/multilingual-tokenizers.js';
import { TOKEN_WINDOW, tokenCases } from './token-cases.js';

/** Of write-reference-tokens.py: a digest of the ids and token types of each case, by layout. */
interface ReferenceTokens {
  readonly given: string;
  readonly layouts: Readonly<Record<string, { readonly tokenizer: string; readonly cases: readonly string[] }>>;
}

const LAYOUTS = [DEFAULT_RERANKER, ...MULTILINGUAL_LAYOUTS];
const CASES = tokenCases();

const digest = (content: string): string => createHash('sha256').update(content).digest('hex');

let folder: string;
let reference: ReferenceTokens;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rerank-tokens-'));
  reference = JSON.parse(await readFile(new URL('reference-tokens.json', import.meta.url), 'utf8')) as ReferenceTokens;
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function tokenizerPath(layout: string): Promise<string> {
  const generated = MULTILINGUAL_LAYOUTS.find((name) => name === layout);
  if (generated === undefined)
    return (await resolveModel(`${layout}@int8`, { cacheDirectory: defaultCacheDirectory(chosen('XDG_CACHE_HOME')) })).tokenizerPath;
  const path = join(folder, 'tokenizer.json');
  await writeFile(path, JSON.stringify(multilingualTokenizer(generated).file));
  return path;
}

it('generates the cases that the reference was written for, many hundred of them', () => {
  expect(CASES.length).toBeGreaterThan(700);
  expect(digest(JSON.stringify({ window: TOKEN_WINDOW, cases: CASES }))).toBe(reference.given);
});

describe.each(LAYOUTS)('pairs of many scripts for the layout of %s', (layout) => {
  it('get the token ids, token types and length of the reference tokenizer, cut to the window', async () => {
    const { tokenizer, cases } = reference.layouts[layout]!;
    const path = await tokenizerPath(layout);
    expect(digest(await readFile(path, 'utf8')), 'the tokenizer is not the one that the reference was written for').toBe(tokenizer);
    const encoder = new PairEncoder(TextTokenizer.load(path), TOKEN_WINDOW);
    const others: unknown[] = [];
    let cut = 0;
    for (const [number, { query, passage }] of CASES.entries()) {
      const { ids, typeIds, lengths, truncated } = encoder.encodePairs({ query, passages: [passage], policy: 'truncate' });
      expect(lengths[0]).toBe(ids.length);
      cut += truncated[0]!;
      if (!digest(JSON.stringify([Array.from(ids), Array.from(typeIds)])).startsWith(cases[number]!))
        others.push({ number, query, passage, ids: Array.from(ids) });
    }
    expect(others).toEqual([]);
    expect(cases).toHaveLength(CASES.length);
    expect(cut).toBeGreaterThan(20);
  });
});
