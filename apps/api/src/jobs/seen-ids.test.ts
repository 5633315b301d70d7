import { describe, expect, it } from 'vitest';
import { SeenIds } from './seen-ids.js';

describe('SeenIds', () => {
  it('names the row that used an id first, however many came between', () => {
    const seen = new SeenIds();
    for (let row = 1; row <= 5_000; row += 1) expect(seen.note(`id-${row}`, row)).toBeUndefined();
    for (let row = 1; row <= 5_000; row += 1) expect(seen.note(`id-${row}`, 9_000 + row)).toBe(row);
  });

  it('tells ids apart that differ in a character of other scripts', () => {
    const seen = new SeenIds();
    expect(['ä', 'a', 'Ä', '日本', ''].map((id, at) => seen.note(id, at + 1))).toEqual(Array(5).fill(undefined));
    expect(seen.note('Ä', 9)).toBe(3);
  });
});
