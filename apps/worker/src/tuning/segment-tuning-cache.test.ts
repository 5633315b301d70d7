import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SegmentTuningCache, type SegmentRecord, type SegmentTuningKey } from './segment-tuning-cache.js';

const KEY: SegmentTuningKey = {
  model: 'a'.repeat(64),
  cuts: [2],
  hardware: { device: 'cpu', name: 'a CPU', cores: 2 },
  onnxruntime: '1.0.0',
  split: { sessions: 2, intraOpThreads: 1 },
  maxBatchTokens: 512,
};
const record = (tuned: boolean): SegmentRecord => ({ max_batch_tokens: 512, tuned, figures: [] });

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'segment-tuning-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const read = async (key: SegmentTuningKey = KEY) => await new SegmentTuningCache(root, key).read();

/** What a start does: it looks, and where there is nothing it times and keeps. */
async function start(segments: readonly SegmentRecord[]): Promise<'read' | 'timed'> {
  const cache = new SegmentTuningCache(root, KEY);
  if ((await cache.read()) !== undefined) return 'read';
  await cache.write(segments);
  return 'timed';
}

describe(SegmentTuningCache, () => {
  it('gives back what was chosen, and leaves one file', async () => {
    const segments = [
      { max_batch_tokens: 1_024, tuned: true, figures: [{ max_batch_tokens: 512, tokens_per_s: 10, rounds: 3 }] },
      record(false),
    ];
    await new SegmentTuningCache(root, KEY).write(segments);
    expect(await read()).toEqual(segments);
    expect(await readdir(join(root, 'tuning'))).toEqual([expect.stringMatching(/^[0-9a-f]{32}\.segments\.json$/)]);
  });

  it.each<[string, Partial<SegmentTuningKey>]>([
    ['model', { model: 'b'.repeat(64) }],
    ['faster graph', { variant: 'other' }],
    ['cuts', { cuts: [3] }],
    ['hardware', { hardware: { ...KEY.hardware, cores: 4 } }],
    ['runtime', { onnxruntime: '1.0.1' }],
    ['split', { split: { sessions: 1, intraOpThreads: 2 } }],
    ['budget of the whole model', { maxBatchTokens: 1_024 }],
  ])('knows nothing of another %s', async (_, more) => {
    await new SegmentTuningCache(root, KEY).write([record(true), record(true)]);
    expect(await read({ ...KEY, ...more })).toBeUndefined();
  });

  it.each([
    ['no JSON', '{"v":'],
    ['of another shape', '{"v": 1, "attempts": 1, "tried_at": 0, "segments": [{"max_batch_tokens": "many"}]}'],
    ['of fewer segments', '{"v": 1, "attempts": 1, "tried_at": 0, "segments": [{"max_batch_tokens": 512, "tuned": true, "figures": []}]}'],
  ])('takes a file that is %s for none', async (_, content) => {
    const cache = new SegmentTuningCache(root, KEY);
    await cache.write([record(true), record(true)]);
    await writeFile(cache.path, content);
    expect(await cache.read()).toBeUndefined();
  });

  it('lets three starts try where nothing could be timed, and no more', async () => {
    const none = [record(false), record(false)];
    expect([await start(none), await start(none), await start(none), await start(none), await start(none)]).toEqual([
      'timed',
      'timed',
      'timed',
      'read',
      'read',
    ]);
    expect(JSON.parse(await readFile(new SegmentTuningCache(root, KEY).path, 'utf8'))).toMatchObject({ attempts: 3, key: { cuts: [2] } });
  });

  it('lets one more try after a day', async () => {
    const none = [record(false), record(false)];
    for (let attempt = 0; attempt < 3; attempt += 1) await start(none);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 25 * 3_600_000 });
    try {
      expect([await start(none), await start(none)]).toEqual(['timed', 'read']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('tries no more once one segment could be timed', async () => {
    expect([await start([record(false), record(false)]), await start([record(true), record(false)]), await start([])]).toEqual([
      'timed',
      'timed',
      'read',
    ]);
  });
});
