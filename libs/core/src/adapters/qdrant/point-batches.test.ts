import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bytesOf, pointBatches } from './point-batches.js';
import type { QdrantPoint } from './qdrant-point.js';

const id = '00000000-0000-5000-8000-000000000000';

const floats = fc.float({ noNaN: true, noDefaultInfinity: true });

const points: fc.Arbitrary<QdrantPoint> = fc.record({
  id: fc.constant(id),
  vector: fc.oneof(
    fc.constant({}),
    fc.record({
      dense: fc.array(floats, { maxLength: 40 }),
      bm25: fc
        .array(fc.tuple(fc.integer({ min: 0, max: 2 ** 32 - 1 }), floats), { maxLength: 20 })
        .map((terms) => ({ indices: terms.map(([index]) => index), values: terms.map(([, value]) => value) })),
    }),
  ),
  payload: fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()),
});

describe('batches of points', () => {
  test('the estimate is never below what is sent', () => {
    fc.assert(fc.property(points, (point) => bytesOf(point) >= Buffer.byteLength(JSON.stringify(point))));
  });

  test('every point once and in order, each batch within both bounds or a single point', () => {
    fc.assert(
      fc.property(
        fc.array(points, { maxLength: 30 }),
        fc.integer({ min: 1, max: 4_000 }),
        fc.integer({ min: 1, max: 5 }),
        (all, bytes, most) => {
          const batches = [...pointBatches(all, bytes, most)];
          expect(batches.flat()).toEqual(all);
          for (const batch of batches) {
            expect(batch.length).toBeLessThanOrEqual(most);
            if (batch.length !== 1) expect(batch.reduce((sum, point) => sum + bytesOf(point), 0)).toBeLessThanOrEqual(bytes);
          }
        },
      ),
    );
  });

  test('a batch holds as much as fits', () => {
    const point = { id, vector: {}, payload: { text: 'x' } };
    const batches = [
      ...pointBatches(
        Array.from({ length: 7 }, () => point),
        bytesOf(point) * 3,
        100,
      ),
    ];
    expect(batches.map((batch) => batch.length)).toEqual([3, 3, 1]);
  });

  test('points are made as they are sent, not all before', () => {
    let made = 0;
    const endless = (function* () {
      for (;;) {
        made += 1;
        yield { id, vector: {}, payload: {} };
      }
    })();
    expect(pointBatches(endless).next().value).toHaveLength(500);
    expect(made).toBe(501);
  });
});
