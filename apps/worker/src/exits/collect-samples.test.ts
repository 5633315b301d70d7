import { describe, expect, it } from 'vitest';
import { collectSamples, type FeatureCollector, type FitPair } from './collect-samples.js';
import { featureCount } from './pair-features.js';

const WIDTH = 1;
const SIZE = featureCount(WIDTH);

/** A pair of so many tokens; its first id says what it is. */
const pair = (number: number, length: number): FitPair => ({
  query: number % 3,
  sequence: { ids: Int32Array.from({ length }, (_, at) => (at === 0 ? number : 0)), typeIds: new Uint8Array(length) },
});

/** Logit and features are the number of the pair; that of `broken` is no number. */
function collector(batches: number[][], broken?: number): FeatureCollector {
  return {
    collect: async (sequences) => {
      await new Promise((resolve) => setImmediate(resolve));
      const numbers = sequences.map(({ ids }) => ids[0]!);
      batches.push(numbers);
      const logits = Float32Array.from(numbers, (number) => (number === broken ? Number.NaN : number));
      const features = Float32Array.from({ length: numbers.length * SIZE }, (_, at) => numbers[Math.floor(at / SIZE)]! * 100 + (at % SIZE));
      return { logits, features: [features, features.map((value) => -value)] };
    },
  };
}

const pairs = Array.from({ length: 20 }, (_, number) => pair(number, 3 + ((number * 7) % 11)));

describe(collectSamples, () => {
  it('puts the figures of every pair in its place, whichever collector had it', async () => {
    const [one, two]: [number[][], number[][]] = [[], []];
    const source = { cuts: [1, 2], width: WIDTH, collectors: [collector(one), collector(two)] };
    const progress: number[] = [];
    const samples = await collectSamples(pairs, source, { maxBatchTokens: 30, onProgress: (done) => progress.push(done) });
    expect([...samples.logits]).toEqual(pairs.map((_, number) => number));
    expect([...samples.queries]).toEqual(pairs.map(({ query }) => query));
    for (const number of pairs.keys()) {
      expect([...samples.features[0]!.subarray(number * SIZE, (number + 1) * SIZE)]).toEqual(
        Array.from({ length: SIZE }, (_, at) => number * 100 + at),
      );
      expect(samples.features[1]![number * SIZE + 3]).toBe(-(number * 100 + 3));
    }
    expect(one.length).toBeGreaterThan(0);
    expect(two.length).toBeGreaterThan(0);
    expect(progress.at(-1)).toBe(20);
    for (const batch of [...one, ...two]) {
      const lengths = batch.map((number) => pairs[number]!.sequence.ids.length);
      expect(batch.length * Math.max(...lengths)).toBeLessThanOrEqual(30);
    }
  });

  it('leaves out pairs whose logit is no number, and no others', async () => {
    const source = { cuts: [1, 2], width: WIDTH, collectors: [collector([], 5)] };
    const samples = await collectSamples(pairs, source);
    const others = [...pairs.keys()].filter((number) => number !== 5);
    expect([...samples.logits]).toEqual(others);
    expect([...samples.queries]).toEqual(others.map((number) => number % 3));
    expect(samples.features.map(({ length }) => length)).toEqual([19 * SIZE, 19 * SIZE]);
    expect(others.map((_, row) => samples.features[0]![row * SIZE])).toEqual(others.map((number) => number * 100));
  });

  it('settles after a failure when no batch is in hand any more, and gives out no others', async () => {
    const taken: number[] = [];
    let inHand = 0;
    const slow: FeatureCollector = {
      collect: async (sequences) => {
        taken.push(sequences.length);
        inHand += 1;
        for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        inHand -= 1;
        return await collector([]).collect(sequences);
      },
    };
    const broken: FeatureCollector = { collect: () => Promise.reject(new Error('The model failed.')) };
    const source = { cuts: [1, 2], width: WIDTH, collectors: [slow, broken, slow] };
    await expect(collectSamples(pairs, source, { maxBatchTokens: 30 })).rejects.toThrow('The model failed.');
    expect(inHand).toBe(0);
    const before = taken.length;
    for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toHaveLength(before);
    expect(before).toBe(2);
  });
});
