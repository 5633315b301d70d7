import { getActiveResourcesInfo } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { within } from './within.ts';

const timers = (): number => getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

describe('within', () => {
  it('says what never ended', async () => {
    await expect(within('the look', 20, new Promise(() => undefined))).rejects.toThrow('the look did not end in 20 ms');
  });

  it('gives what the work gives, be it an error, and leaves no timer', async () => {
    const before = timers();
    expect(await within('the look', 60_000, sleep(5, 'seen'))).toBe('seen');
    await expect(within('the look', 60_000, Promise.reject(new Error('blind')))).rejects.toThrow('blind');
    expect(timers()).toBe(before);
  });
});
