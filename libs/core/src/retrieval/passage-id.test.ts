import { describe, expect, test } from 'vitest';
import { passageId } from './passage-id.js';

describe(passageId.name, () => {
  test('is a version 5 UUID that tells document ids and indices apart', () => {
    expect(passageId('d', 0)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(passageId('d', 0)).toBe(passageId('d', 0));
    expect(new Set([passageId('d', 1), passageId('d', 11), passageId('d1', 1), passageId('d,1', 1)]).size).toBe(4);
  });

  test('never changes: stored points carry it', () => {
    expect(passageId('d1', 0)).toBe('281c0de7-2dc7-5067-9bd5-0f72f7327209');
  });
});
