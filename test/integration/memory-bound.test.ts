import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MemoryBound } from '@rerank-fleet/worker/tuning/tuning-cache';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

let cache: string;

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'rerank-bound-'));
});
afterEach(() => rm(cache, { recursive: true, force: true }));

const boundOf = (memoryBytes = 1): MemoryBound =>
  new MemoryBound(cache, { model: 'sha', hardware: { device: 'cpu', name: 'a CPU', cores: 1 }, memoryBytes });

describe(MemoryBound, () => {
  it('is the lowest of all that were written, in whatever order their writes end', async () => {
    const bound = boundOf();
    expect(await bound.read()).toBeUndefined();
    await Promise.all([512, 256, 128, 200].map((tokens) => bound.write(tokens)));
    expect(await boundOf().read()).toBe(128);
    expect(await readdir(dirname(bound.path))).toHaveLength(1);
  });

  it('is not lifted by another worker on the machine, which began before it was found', async () => {
    const [one, other] = [boundOf(), boundOf()];
    await one.write(128);
    await other.write(512);
    expect(await boundOf().read()).toBe(128);
    await other.write(64);
    expect(await one.read()).toBe(64);
  });

  it('holds for the memory it was found in', async () => {
    await boundOf(1).write(128);
    expect(await boundOf(2).read()).toBeUndefined();
  });
});
