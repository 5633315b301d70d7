import { beforeEach, describe, expect, it } from 'vitest';
import { untilTaken } from './until-taken.js';

let failures: number;
let attempts: number;
const work = (): Promise<void> => {
  attempts += 1;
  return attempts <= failures ? Promise.reject(new Error('away')) : Promise.resolve();
};

beforeEach(() => {
  attempts = 0;
});

describe('untilTaken', () => {
  it('waits, and tries again until it is done, and no more', async () => {
    failures = 2;
    const done = untilTaken(work, [1, 1, 1, 1, 1]);
    expect(attempts).toBe(0);
    await done;
    expect(attempts).toBe(3);
  });

  it('leaves what comes to no end to the sweep, without an error', async () => {
    failures = Infinity;
    await untilTaken(work, [1, 1, 1]);
    expect(attempts).toBe(3);
  });
});
