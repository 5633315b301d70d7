import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineBenchSchema } from '@rerank-fleet/core/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeTinyHeads } from '../support/tiny-exit-heads.js';
import { writeLayeredModel, writeTinyModel } from '../support/tiny-models/index.js';
import { runCli, startCli } from './cli-process.js';

let root: string;
let model: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-bench-'));
  model = await writeTinyModel(join(root, 'tiny'), { kind: 'cross-encoder', layout: 'bert' });
});

afterAll(() => rm(root, { recursive: true, force: true }));

const bench = (...args: string[]) => runCli(['bench', ...args], { env: { HOME: root } });

/** Command lines of every process that names this test's folder. */
async function running(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return lines.filter((line) => line.includes('bench-main.js') && line.includes(root));
}

describe('rerank bench', () => {
  it('times every split at every budget, as JSON and as a plot', async () => {
    const svg = join(root, 'curve.svg');
    const { status, stdout } = await bench(model, '--json', '--length', '32', '--rounds', '2', '--budgets', '64,256,16', '--svg', svg);
    expect(status).toBe(0);
    const report = engineBenchSchema.parse(JSON.parse(stdout));
    expect(report).toMatchObject({ sequence_tokens: 32, rounds: 2, model: { name: 'tiny' }, machine: { device: 'cpu' }, left_out: [] });
    const splits = new Set(report.points.map((point) => `${point.sessions}x${point.intra_op_threads}`));
    expect(splits.has(`${report.machine.cores}x1`)).toBe(true);
    expect(report.points).toHaveLength(splits.size * 3);
    // A budget below one pair is that of one pair.
    expect(report.points.slice(0, 3).map((point) => [point.max_batch_tokens, point.pairs_per_batch])).toEqual([
      [32, 1],
      [64, 2],
      [256, 8],
    ]);
    for (const point of report.points) expect(point.tokens_per_s / point.pairs_per_s).toBeCloseTo(32, 0);
    expect(await readFile(svg, 'utf8')).toMatch(/^<svg [^>]*>[\s\S]*batch budget[\s\S]*<\/svg>\s*$/);
  });

  it('times the segments of a model that has heads, too', async () => {
    const layered = await writeLayeredModel(join(root, 'layered'), { layers: 4 });
    await writeTinyHeads(layered, join(root, '.cache'), [1, 3]);
    const flags = ['--length', '32', '--rounds', '2', '--budgets', '64,256'];
    const { status, stdout } = await bench(layered, '--json', ...flags);
    expect(status).toBe(0);
    const { segments, left_out } = engineBenchSchema.parse(JSON.parse(stdout));
    expect(left_out).toEqual([]);
    expect(segments?.map((point) => [point.layers, point.max_batch_tokens, point.pairs_per_batch])).toEqual([
      ['1-1', 64, 2],
      ['1-1', 256, 8],
      ['2-3', 64, 2],
      ['2-3', 256, 8],
      ['4-4', 64, 2],
      ['4-4', 256, 8],
    ]);
    for (const point of segments!) expect(point.tokens_per_s / point.pairs_per_s).toBeCloseTo(32, 0);
    expect((await bench(layered, ...flags)).stdout).toMatch(/\n\nIts segments.*\n\nlayers +batch tokens[^]*\n4-4 +256 +8 /);
  });

  it('shows a table, and says what it does on stderr only', async () => {
    const { status, stdout, stderr } = await bench(model, '--length', '16', '--rounds', '1', '--budgets', '64');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^tiny \(fp32\) on .*pairs of 16 tokens\n\nsessions × threads +batch tokens +pairs +pairs\/s/);
    expect(stderr).toContain('round 1');
    expect((await bench(model, '--quiet', '--length', '16', '--rounds', '1', '--budgets', '64')).stderr).toBe('');
  });

  it('says which model is not here', async () => {
    const { status, stdout, stderr } = await bench(join(root, 'nowhere'));
    expect(status).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error: .*nowhere/);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('refuses budgets that are no numbers', async () => {
    const { status, stderr } = await bench(model, '--budgets', '64,many');
    expect(status).toBe(2);
    expect(stderr).toContain('It must be whole numbers, separated by commas.');
  });

  it('ends with its measurement at Ctrl-C', async (context) => {
    context.skip(!existsSync('/proc/self/cmdline'), 'processes are found through /proc');
    const child = startCli(['bench', model, '--rounds', '100000', '--budgets', '64'], { HOME: root });
    child.stderr.setEncoding('utf8');
    let said = '';
    child.stderr.on('data', (chunk: string) => (said += chunk));
    await expect.poll(() => said, { timeout: 20_000 }).toContain('round 2');
    expect(await running()).toHaveLength(1);
    const exited = once(child, 'exit');
    child.kill('SIGINT');
    expect(await exited).toEqual([130, null]);
    await expect.poll(running).toEqual([]);
  });
});
