import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitFitReportSchema, exitShowSchema } from '@rerank-fleet/core/contracts';
import type { CorpusRef } from '@rerank-fleet/core/domain';
import { defaultCuts } from '@rerank-fleet/worker/exits/default-cuts';
import { readExitHeads } from '@rerank-fleet/worker/exits/exit-heads-file';
import { EXIT_MARGINS } from '@rerank-fleet/worker/exits/exit-margins';
import { encodeHalves } from '@rerank-fleet/worker/exits/half-floats';
import { featureCount, pooledCount } from '@rerank-fleet/worker/exits/pair-features';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { corpusRecord } from '../support/fleet-fixtures.js';
import { BERT, TINY_WORDS, writeLayeredModel, writeTinyModel } from '../support/tiny-models/index.js';
import { startTestApi } from './api-support.js';
import { runCli, startCli, type CliRun } from './cli-process.js';

const LAYERS = 4;
const TEXTS = 30;

let root: string;
let model: string;
let pairs: string;

/** Words of the tiny vocabulary, other ones for every number. */
const text = (number: number, words: number): string =>
  Array.from({ length: words }, (_, at) => TINY_WORDS[(number * 31 + at * (number + 7)) % TINY_WORDS.length]).join(' ');
const list = (number: number) => ({
  query: text(number + 1_000, 3),
  documents: Array.from({ length: TEXTS }, (_, at) => text(number * TEXTS + at, 3 + (at % 20))),
});

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-exits-'));
  model = await writeLayeredModel(join(root, 'layered'), { layers: LAYERS });
  pairs = join(root, 'pairs.ndjson');
  const lines = Array.from({ length: 12 }, (_, number) => JSON.stringify(list(number)));
  const single = list(12).documents.map((passage) => JSON.stringify({ query: list(12).query, passage: `${passage}\u2028` }));
  await writeFile(pairs, [...lines, ...single].join('\n'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

/** Each home has a cache of its own. */
const run = (home: string, args: readonly string[], env: Record<string, string> = {}): Promise<CliRun> =>
  runCli(['exits', ...args], { env: { HOME: join(root, home), ...env } });
const heads = async (home: string): Promise<string[]> => await readdir(join(root, home, '.cache', 'rerank-fleet', 'exits')).catch(() => []);

describe('rerank exits fit', () => {
  it('writes heads that a worker takes, with figures of every cut and what the efforts would do', async () => {
    const { status, stdout, stderr } = await run('fits', ['fit', '--model', model, '--pairs', pairs, '--json']);
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const report = exitFitReportSchema.parse(JSON.parse(stdout));
    expect(report).toMatchObject({ layers: LAYERS, pairs: 13 * TEXTS, queries: 13, model: { name: 'layered' } });
    const predictor = await readExitHeads(report.path);
    expect(predictor).toMatchObject({ model: report.model.sha256, width: BERT.width, layers: [1, 2, 3] });
    for (const { layer, kind, sigma, correlation, correlation_within_query: within, other } of report.heads) {
      expect([kind, other.kind].toSorted()).toEqual(['hinges', 'ridge']);
      // Hinges are kept where they are better by both figures, and nowhere else.
      const kept = { sigma, correlation_within_query: within };
      const [hinges, ridge] = kind === 'hinges' ? [kept, other] : [other, kept];
      const isBetter = hinges.sigma < ridge.sigma && hinges.correlation_within_query >= ridge.correlation_within_query;
      expect(isBetter).toBe(kind === 'hinges');
      expect(predictor.at(layer)).toMatchObject({ sigma, correlation });
      expect(predictor.at(layer).predict(new Float32Array(featureCount(BERT.width)).fill(0.1))).toSatisfy(Number.isFinite);
    }
    // Only the last layer is missing: that is little to guess.
    expect(report.heads.at(-1)!.correlation).toBeGreaterThan(0.5);
    expect(report.simulation).toMatchObject({ queries: 13, pairs: 13 * TEXTS });
    const [balanced, fast] = report.simulation!.efforts;
    expect([balanced!.margin, fast!.margin]).toEqual([EXIT_MARGINS.balanced, EXIT_MARGINS.fast]);
    expect(fast!.layers_run).toBeLessThanOrEqual(balanced!.layers_run);
    expect(balanced!.layers_run).toBeLessThanOrEqual(1);
    expect(balanced!.overlap_at_10).toBeGreaterThanOrEqual(fast!.overlap_at_10 - 0.1);
    expect(stderr).toContain('from their next start on');
    const file = await readFile(report.path, 'utf8');
    expect(file).not.toContain(list(0).query);
  });

  it('shows what workers use: none at first, then what was fitted here', async () => {
    const none = await run('shows', ['show', '--model', model]);
    expect(none.stdout).toBe('layered: no heads, so all layers run. `rerank exits fit` makes some.\n');
    const fit = await run('shows', ['fit', '--model', model, '--pairs', pairs, '--cuts', '1,3']);
    expect(fit.stdout).toMatch(
      /^layered, 4 layers; 390 pairs of 13 queries.*\n\nafter layer +head +σ +correlation +within a query +not kept\n +1 +(ridge|hinges) .*\n +3 +(ridge|hinges) .*\n\neffort/,
    );
    const { stdout } = await run('shows', ['show', '--model', model, '--json']);
    const { models } = exitShowSchema.parse(JSON.parse(stdout));
    expect(models[0]!.heads).toMatchObject({ source: 'fitted', pairs: 390, queries: 13, heads: [{ layer: 1 }, { layer: 3 }] });
    expect(Date.parse(models[0]!.heads!.fitted_at!)).toBeGreaterThan(0);
    expect((await run('shows', ['show', '--model', model])).stdout).toMatch(/^layered: fitted on this machine, 2.*\n.*\.json\n390 pairs/);
  });

  it('goes on with heads that an earlier version fitted here, until others are fitted, and again where those are damaged', async () => {
    const { sha256 } = exitShowSchema.parse(JSON.parse((await run('earlier', ['show', '--model', model, '--json'])).stdout)).models[0]!
      .model;
    const folder = join(root, 'earlier', '.cache', 'rerank-fleet', 'exits');
    await mkdir(folder, { recursive: true });
    const weights = encodeHalves(new Float32Array(pooledCount(BERT.width)).fill(0.5));
    const head = { layer: 2, sigma: 1.5, correlation: 0.75, bias: 0, weights };
    const file = { v: 1, model: sha256, width: BERT.width, fitted_on: 'old texts', pairs: 7, queries: 5, heads: [head] };
    await writeFile(join(folder, `${sha256.slice(0, 32)}-1.json`), JSON.stringify(file));
    const shown = await run('earlier', ['show', '--model', model]);
    expect(shown.stdout).toMatch(
      /^layered: fitted on this machine\n.*-1\.json\n7 pairs of 5 queries: old texts\n\n.*\n +2 +ridge +1\.500 +0\.750\n$/,
    );
    await run('earlier', ['fit', '--model', model, '--pairs', pairs, '--cuts', '3']);
    expect((await run('earlier', ['show', '--model', model])).stdout).toMatch(/-4\.json\n390 pairs/);
    const fitted = join(folder, `${sha256.slice(0, 32)}-4.json`);
    await writeFile(fitted, '{');
    const { status, stdout, stderr } = await run('earlier', ['show', '--model', model]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: shown.stdout });
    expect(stderr).toContain(`The heads in ${fitted} cannot be used: fit them again with \`rerank exits fit\`, or remove the file.`);
  });

  it('says by its help which cuts a model gets where none are named', async () => {
    const { stdout } = await run('help', ['fit', '--help']);
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(`default: ${defaultCuts(12).join(',')} of 12, and alike for others`);
  });

  it('takes no more pairs than --limit, and writes to --out alone where that is given', async () => {
    const out = join(root, 'elsewhere', 'heads.json');
    const args = ['fit', '--model', model, '--pairs', pairs, '--cuts', '2', '--limit', '150', '--out', out, '--json'];
    const { stdout, stderr } = await run('out', args);
    expect(exitFitReportSchema.parse(JSON.parse(stdout))).toMatchObject({ path: out, pairs: 150, queries: 5 });
    expect(stderr).toContain('No worker looks there');
    expect(await heads('out')).toEqual([]);
    expect((await readExitHeads(out)).layers).toEqual([2]);
  });

  it('fits on a corpus of the service: its passages, with queries made of them or given', async () => {
    const api = await startTestApi();
    try {
      const corpus: CorpusRef = { tenant: 'default', corpus: 'manuals' };
      await api.fleet.documents.createCorpus(corpusRecord(corpus));
      await api.fleet.documents.putDocuments(
        corpus,
        Array.from({ length: 120 }, (_, at) => ({ id: `d${at}`, seq: 1, title: TINY_WORDS[at % 40]!, text: `${text(at, 15)}.` })),
      );
      const env = { RERANK_URL: await api.listen() };
      const fit = ['fit', '--model', model, '--corpus', 'manuals', '--limit', '600', '--cuts', '2', '--json'];
      const made = await run('corpus', fit, env);
      expect(made.stderr).not.toContain('error');
      const report = exitFitReportSchema.parse(JSON.parse(made.stdout));
      expect(report.fitted_on).toBe('documents of corpus manuals with queries made of them');
      expect(report.pairs).toBeGreaterThan(200);
      expect(report.pairs).toBeLessThanOrEqual(600);
      expect(report.simulation!.queries).toBeGreaterThan(0);
      const queries = join(root, 'queries.jsonl');
      const rows = TINY_WORDS.slice(0, 20).map((word, at) =>
        at % 2 === 0 ? JSON.stringify({ _id: String(at), text: word }) : `tree ${word}`,
      );
      await writeFile(queries, rows.join('\n'));
      const given = exitFitReportSchema.parse(JSON.parse((await run('corpus', [...fit, '--queries', queries], env)).stdout));
      expect(given.fitted_on).toBe('documents of corpus manuals with queries of a file');
      expect(given.queries).toBeLessThanOrEqual(20);
      expect((await run('corpus', ['fit', '--model', model, '--corpus', 'none'], env)).stderr).toContain('There is no corpus of this name');
    } finally {
      await api.close();
    }
  });

  it.each([
    ['cannot be cut', { layers: 1 }, [], /^error: The model single cannot be cut: No layers were found/],
    [
      'has fewer layers than a cut',
      { layers: LAYERS },
      ['--cuts', '2,9'],
      /^error: The model single cannot be cut: The model has 4 layers: cuts are/,
    ],
  ] as const)('says why a model is refused that %s, and writes nothing', async (_what, { layers }, more, message) => {
    const single = await writeLayeredModel(join(root, String(layers), 'single'), { layers });
    const { status, stdout, stderr } = await run('refused', ['fit', '--model', single, '--pairs', pairs, ...more]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(message);
    expect(await heads('refused')).toEqual([]);
  });

  it('refuses an embedder, and a model that is not here', async () => {
    const embedder = await writeTinyModel(join(root, 'embedder'), { kind: 'embedder', layout: 'bert' });
    const nowhere = join(root, 'nowhere');
    const fit = ['fit', '--pairs', pairs, '--model'];
    const refused = [
      { args: [...fit, embedder], message: /^error: The model embedder cannot be cut: / },
      { args: [...fit, nowhere], message: /^error: .*nowhere/ },
      { args: ['show', '--model', nowhere], message: /^error: .*nowhere/ },
    ];
    for (const { args, message } of refused) {
      const { status, stdout, stderr } = await run('unknown', args);
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/^ +at /m);
    }
  });

  it('names the line of a file that is wrong', async () => {
    const file = join(root, 'wrong.ndjson');
    const fit = ['fit', '--model', model, '--pairs', file];
    const wrong = ['{"query": "a"}', '{"query": "", "passage": "b"}', '{"query": "a", "documents": []}', 'text'];
    for (const line of wrong) {
      await writeFile(file, `${JSON.stringify(list(0))}\n\n${line}\n`);
      const { status, stderr } = await run('wrong', fit);
      expect(status).toBe(1);
      expect(stderr).toBe('error: wrong.ndjson:3: is neither {"query", "passage"} nor {"query", "documents": [texts]}.\n');
    }
    await writeFile(file, '');
    expect((await run('wrong', fit)).stderr).toMatch(/holds no pairs/);
    expect((await run('wrong', ['fit', '--pairs', join(root, 'none')])).status).toBe(2);
  });

  it('says that pairs are of too few queries', async () => {
    const file = join(root, 'few.ndjson');
    await writeFile(file, [0, 1, 2].map((number) => JSON.stringify(list(number))).join('\n'));
    const { status, stderr } = await run('few', ['fit', '--model', model, '--pairs', file]);
    expect(status).toBe(1);
    expect(stderr).toContain('error: There are pairs of 3 queries; a fit needs 4 at least');
    expect(await heads('few')).toEqual([]);
  });

  it('refuses options that do not go together', async () => {
    for (const args of [
      [],
      ['--pairs', pairs, '--corpus', 'c'],
      ['--pairs', pairs, '--queries', pairs],
      ['--pairs', pairs, '--cuts', '3,2'],
    ])
      expect((await run('usage', ['fit', '--model', model, ...args])).status).toBe(2);
  });

  it('leaves no heads behind at Ctrl-C', async () => {
    const many = join(root, 'many.ndjson');
    await writeFile(many, Array.from({ length: 600 }, (_, number) => JSON.stringify(list(number))).join('\n'));
    const child = startCli(['exits', 'fit', '--model', model, '--pairs', many], { HOME: join(root, 'interrupted') });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    const segments = join(root, 'interrupted', '.cache', 'rerank-fleet', 'segments');
    // It has begun, and thousands of pairs are to be scored.
    await expect.poll(() => existsSync(segments), { timeout: 30_000, interval: 20 }).toBe(true);
    const exited = once(child, 'exit');
    child.kill('SIGINT');
    expect(await exited).toEqual([130, null]);
    expect(said).toContain('Interrupted. No heads were written.');
    expect(await heads('interrupted')).toEqual([]);
  });
});
