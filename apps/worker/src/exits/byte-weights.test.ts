import { describe, expect, it } from 'vitest';
import { packBytes, packWeights, unpackBytes, unpackWeights } from './byte-weights.js';
import { SeededRandom } from './seeded-random.js';

const COUNT = 1000;
const random = new SeededRandom(23);
/** The second block is a thousand times larger than the others, the third is empty. */
const weights = Float64Array.from({ length: COUNT }, (_, at) => (at >= 768 ? 0 : random.normal() * (at >= 384 ? 1000 : 1)));

describe(packWeights, () => {
  it('keeps each weight within half a step of its block, the largest one exactly', () => {
    const packed = packWeights(weights);
    const unpacked = unpackWeights(packed, COUNT);
    expect(packed.steps).toHaveLength(3);
    weights.forEach((weight, at) =>
      expect(Math.abs(unpacked[at]! - weight)).toBeLessThanOrEqual(0.501 * packed.steps[Math.floor(at / 384)]!),
    );
    for (const [from, to] of [
      [0, 384],
      [384, 768],
    ] as const) {
      const largest = (values: ArrayLike<number>): number => Math.max(...Array.from(values).slice(from, to).map(Math.abs));
      expect(largest(unpacked) / largest(weights)).toBeCloseTo(1, 4);
    }
    expect(unpacked.subarray(768).every((weight) => weight === 0)).toBe(true);
  });

  it('gives what was packed again when it is packed once more', () => {
    const packed = packWeights(weights);
    expect(packWeights(unpackWeights(packed, COUNT))).toEqual(packed);
  });

  it('takes a byte a weight at most', () => {
    const { bytes } = packWeights(weights.subarray(0, 768));
    expect(Buffer.from(bytes, 'base64').length).toBeLessThan(768);
  });
});

describe(unpackWeights, () => {
  it.each([COUNT - 1, COUNT + 1, 2 * COUNT])('refuses another number of weights (%i)', (count) => {
    expect(() => unpackWeights(packWeights(weights), count)).toThrow();
  });

  it('refuses damaged bytes, and steps for too few blocks', () => {
    const { steps, bytes } = packWeights(weights);
    expect(() => unpackWeights({ steps, bytes: bytes.slice(0, -40) }, COUNT)).toThrow();
    expect(() => unpackWeights({ steps: steps.slice(1), bytes }, COUNT)).toThrow(/too many or too few/);
  });
});

describe(packBytes, () => {
  it('gives all bytes back', () => {
    const bytes = Int8Array.from({ length: 256 }, (_, at) => at - 128);
    expect(unpackBytes(packBytes(bytes), 256)).toEqual(bytes);
  });
});
