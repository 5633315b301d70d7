import { once } from 'node:events';
import { text as readText } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from 'vitest';
import { CliRig } from './cli-commands-support.js';
import { startCli } from './cli-process.js';
import { problem } from './cli-contract-server.js';

const ESCAPE = /\u001b/;
const rig = new CliRig();
const { rerank, write } = rig;

describe('rerank search', () => {
  beforeEach(() => {
    rig.server.corpora.set(
      'trees',
      new Map([
        ['pie', { id: 'pie', title: 'Apple pie', text: 'sugar' }],
        ['cut', { id: 'cut', title: 'Winter cut', text: 'pruning apple trees in winter' }],
      ]),
    );
  });

  it('shows results as a table without colours in a pipe, and remarks beside it', async () => {
    const run = await rerank(['search', 'pruning apple trees']);
    expect(run.status).toBe(0);
    expect(run.stdout.split('\n').slice(0, 2)).toEqual([
      '#  score  document    was  move  passage',
      '1  0.953  Winter cut    2  ↑1    pruning apple trees in winter',
    ]);
    expect(run.stdout).not.toMatch(ESCAPE);
    expect(run.stderr).toBe('corpus trees, version 1, reranked by ms-marco-MiniLM-L-12-v2, 6 ms\n');
    expect((await rerank(['search', 'pruning', '--quiet'])).stderr).toBe('');
  });

  it('puts both orders side by side with --compare', async () => {
    const run = await rerank(['search', 'pruning apple trees', '--compare', '--min-score', '0.5', '-n', '2']);
    expect(run.stdout.split('\n').slice(0, 3)).toEqual([
      '#  first stage   score     reranked    score  move',
      '1  Apple pie    0.0164  →  Winter cut  0.953  ↑1',
      '2  Winter cut   0.0161  →',
    ]);
    const requests = rig.server.requests.filter(({ path }) => path === '/v1/search').map(({ body }) => JSON.parse(body) as object);
    expect(requests).toContainEqual({ corpus: 'trees', query: 'pruning apple trees', top_n: 2, rerank: false });
    expect(requests).toContainEqual({ corpus: 'trees', query: 'pruning apple trees', top_n: 2, min_score: 0.5 });
  });

  it('asks for the first-stage order of --compare without what only a reranker takes', async () => {
    for (const flags of [
      ['--model', 'm'],
      ['--stage', 'm'],
    ]) {
      expect((await rerank(['search', 'pruning', '--compare', '-c', 'trees', ...flags])).status).toBe(0);
      const bodies = rig.server.requests.slice(-2).map(({ body }) => JSON.parse(body) as { rerank?: boolean });
      expect(bodies.find((body) => body.rerank === false)).toEqual({ corpus: 'trees', query: 'pruning', rerank: false });
    }
  });

  it('sends stages on, in their order; a name may hold a colon', async () => {
    await rerank(['search', 'q', '-c', 'trees', '--stage', 'light:20', '--stage', 'a:b:7', '--stage', 'org/heavy']);
    expect(JSON.parse(rig.server.requests.at(-1)!.body)).toMatchObject({
      stages: [{ model: 'light', keep: 20 }, { model: 'a:b', keep: 7 }, { model: 'org/heavy' }],
    });
    await rerank(['rerank', 'q', 'text', '--stage', 'light:20', '--stage', 'heavy']);
    expect(JSON.parse(rig.server.requests.at(-1)!.body)).toMatchObject({ stages: [{ model: 'light', keep: 20 }, { model: 'heavy' }] });
  });

  it('prints the answer of the service with --json, options before or after the command', async () => {
    for (const args of [
      ['--json', 'search', 'pruning'],
      ['search', 'pruning', '--json'],
    ]) {
      const run = await rerank(args);
      expect(run.stderr).toBe('');
      expect(JSON.parse(run.stdout)).toMatchObject({ corpus: 'trees', results: [{ document_id: 'cut', first_stage: { rank: 2 } }, {}] });
    }
  });

  it('sends every option on', async () => {
    const filter = { must: [{ key: 'lang', match: { value: 'en' } }] };
    const flags = ['-c', 'trees', '-k', '7', '-n', '3', '--mode', 'dense', '--group-by', 'none', '-m', 'm', '--raw-scores'];
    const more = ['--deterministic', '--long-document', 'error', '--timeout', '900', '--explain', '--filter', JSON.stringify(filter)];
    await rerank(['search', 'q', ...flags, ...more]);
    expect(JSON.parse(rig.server.requests.at(-1)!.body)).toEqual({
      ...{
        corpus: 'trees',
        query: 'q',
        top_k: 7,
        top_n: 3,
        mode: 'dense',
        group_by: 'none',
        model: 'm',
        raw_scores: true,
        deterministic: true,
      },
      ...{ long_document: 'error', timeout_ms: 900, explain: true, filter },
    });
  });

  it('ends with 3 when nothing is found', async () => {
    expect(await rerank(['search', 'q', '--min-score', '2'])).toMatchObject({ status: 3, stdout: 'Nothing found.\n' });
    const json = await rerank(['search', 'q', '--min-score', '2', '--json']);
    expect(json.status).toBe(3);
    expect(JSON.parse(json.stdout)).toMatchObject({ results: [] });
  });

  it('asks which corpus where there are several, and how to make one where there is none', async () => {
    rig.server.corpora.set('pies', new Map());
    expect(await rerank(['search', 'q'])).toMatchObject({
      status: 2,
      stderr: 'error: Say which corpus to search, with --corpus: trees, pies.\n',
    });
    rig.server.corpora.clear();
    expect((await rerank(['search', 'q'])).stderr).toContain('There is no corpus yet');
  });

  it('shows the faults that the service points at', async () => {
    const [status, body] = problem('invalid_request', 'The body is not valid.');
    const faults = { ...(body as object), errors: [{ pointer: '/filter/must/0', detail: 'needs a key' }] };
    rig.server.faults.push({ on: 'POST /v1/search', status, body: JSON.stringify(faults) });
    expect(await rerank(['search', 'q', '-c', 'trees'])).toMatchObject({
      status: 1,
      stdout: '',
      stderr: 'error: The body is not valid. (invalid_request, request req-x)\n  /filter/must/0: needs a key\n',
    });
  });

  it('ends without a word when its reader has left', async () => {
    const documents = Array.from({ length: 3_000 }, (_, row) => ({ id: `${row}`, text: `long text ${'x'.repeat(200)}` }));
    rig.server.corpora.set('trees', new Map(documents.map((document) => [document.id, document])));
    const child = startCli(['search', 'q', '-n', '3000', '--json'], { RERANK_URL: rig.server.url });
    child.stdin.end();
    const stderr = readText(child.stderr);
    await once(child.stdout, 'data');
    child.stdout.destroy();
    await once(child, 'exit');
    expect([child.exitCode, await stderr]).toEqual([0, '']);
  });
});

describe('rerank rerank', () => {
  it('orders arguments, a file and stdin', async () => {
    const run = await rerank(['rerank', 'apple tree', 'a stone', 'an apple tree']);
    expect(run).toMatchObject({ status: 0, stderr: '2 documents, 9 tokens, ms-marco-MiniLM-L-12-v2\n' });
    expect(run.stdout).toBe('#  score  index  document\n1  0.881      1  an apple tree\n2  0.119      0  a stone\n');
    const file = await write('texts.txt', 'a stone\n{"text":"apple"}\n');
    expect((await rerank(['rerank', 'apple', '--file', file, '-n', '1', '--json'])).stdout).toContain('"index": 1');
    expect((await rerank(['rerank', 'apple', '-'], 'an apple\na pie\n')).stdout).toContain('an apple');
  });

  it.each([
    [['rerank', 'q'], 'Give documents'],
    [['rerank', ' ', 'd'], 'The query is empty'],
    [['rerank', 'q', 'd', '--file', 'x'], 'not both'],
    [['rerank', 'q', 'd', '-n', '0'], "option '-n, --top-n <count>' argument '0' is invalid"],
    [['search', 'q', '--filter', '[]'], 'It must be a JSON object'],
    [['search', 'q', '--stage', 'light:0'], 'It must be a whole number, 1 or more'],
    [['rerank', 'q', 'd', '--stage', ''], 'It must be model:keep'],
    [['search', 'q', '-m', 'a', '--stage', 'b'], 'cannot be used with option'],
    [['search', 'q', '-c', 'No Name'], 'A corpus name must be 1 to 63'],
    [['ingest', '-'], "required option '-c, --corpus <name>' not specified"],
    [['corpora', 'delete', 'c'], '--yes'],
    [['--json', 'up'], "option '--json' has no meaning"],
    [['status', '--url', 'nonsense'], '--url must be an address'],
    [['frobnicate'], "unknown command 'frobnicate'"],
  ])('refuses %j as usage', async (args, message) => {
    const run = await rerank(args);
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toContain(message);
    expect(rig.server.requests).toEqual([]);
  });
});
