import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonFault } from './json-fault.js';

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('findJsonFault', () => {
  it.each([
    ['{"a": b}', 6],
    ['{"a":1,}', 7],
    ['[1,]', 3],
    ['[1 2]', 3],
    ['{"a" 1}', 5],
    ['{a:1}', 1],
    ['01', 1],
    ['-', 0],
    ['"a\nb"', 2],
    ['"\\x"', 1],
    ['"\\u12g4"', 1],
    ['[1}', 2],
    ['{"a":1} x', 8],
    ['', 0],
    ['[1', 2],
    ['{"a', 3],
    ['nul', 0],
  ])('finds the fault of %j at %i', (text, at) => {
    expect(findJsonFault(text)).toBe(at);
  });

  it('finds a fault where the engine does, and nowhere else', () => {
    const edited = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 }), fc.nat(2)).map(([text, position, inserted, removed]) => {
      const at = position % (text.length + 1);
      return text.slice(0, at) + inserted + text.slice(at + removed);
    });
    fc.assert(
      fc.property(edited, (text) => {
        const fault = findJsonFault(text);
        expect(fault === undefined).toBe(parses(text));
        // What comes before the fault is the beginning of some JSON text: no earlier character is to blame.
        if (fault !== undefined) expect(fault).toBeLessThanOrEqual(text.length);
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes any depth without recursion', () => {
    expect(findJsonFault('['.repeat(200_000))).toBe(200_000);
    expect(findJsonFault('['.repeat(200_000) + ']'.repeat(200_000))).toBeUndefined();
  });
});
