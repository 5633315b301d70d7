import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OriginMap } from './origin-map.js';
import type { Origin } from './source-item.js';

describe('OriginMap', () => {
  it('finds the origin of every row again, whatever was left out between them', () => {
    const gaps = fc.array(fc.record({ skip: fc.nat(3), file: fc.constantFrom('a', 'b') }));
    fc.assert(
      fc.property(gaps, (rows) => {
        const map = new OriginMap();
        let number = 0;
        const origins = rows.map(({ skip, file }): Origin => ({ file, unit: 'line', number: (number += 1 + skip) }));
        for (const origin of origins) map.add(origin);
        expect(map.rows).toBe(origins.length);
        expect(origins.map((_, at) => map.find(at + 1))).toEqual(origins);
      }),
    );
  });

  it('knows no row before the first or after the last', () => {
    const map = new OriginMap();
    map.add({ file: 'a', unit: 'line', number: 1 });
    expect([map.find(0), map.find(2)]).toEqual([undefined, undefined]);
  });
});
