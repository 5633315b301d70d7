import { expect, it } from 'vitest';
import { formatDuration } from './duration.js';

it.each([
  [0, '0 s'],
  [59.4, '59 s'],
  [60, '1 min'],
  [200, '3 min 20 s'],
  [7_500, '2 h 5 min'],
  [273_600, '3 d 4 h'],
])('says %d seconds as %s', (seconds, said) => {
  expect(formatDuration(seconds)).toBe(said);
});
