import { describe, expect, it } from 'vitest';
import { LoadLate } from './load-late.js';

/** Fails as often as it is told. */
function loader(failures: number) {
  const tries: number[] = [];
  const load = async (): Promise<string> => {
    tries.push(tries.length);
    await Promise.resolve();
    if (tries.length <= failures) throw new Error(`failure ${tries.length}`);
    return 'loaded';
  };
  return { load, tries };
}

describe(LoadLate, () => {
  it('loads once, when it is first asked for, whoever else asks meanwhile', async () => {
    const { load, tries } = loader(0);
    const late = new LoadLate(load);
    expect(await late.ifLoaded()).toBeUndefined();
    expect(await Promise.all([late.get(), late.get()])).toEqual(['loaded', 'loaded']);
    expect(await late.ifLoaded()).toBe('loaded');
    expect(tries).toHaveLength(1);
  });

  it('tries again at once after a failure where no pause is wanted', async () => {
    const { load, tries } = loader(1);
    const late = new LoadLate(load);
    await expect(late.get()).rejects.toThrow('failure 1');
    expect(await late.get()).toBe('loaded');
    expect(tries).toHaveLength(2);
  });

  it('throws the same error without another try until the pause is over, after each failure', async () => {
    const { load, tries } = loader(2);
    let now = 1_000;
    const late = new LoadLate(load, { pauseMs: 60_000, now: () => now });
    for (const failure of [1, 2]) {
      await expect(late.get()).rejects.toThrow(`failure ${failure}`);
      now += 59_999;
      await expect(late.get()).rejects.toThrow(`failure ${failure}`);
      expect(tries).toHaveLength(failure);
      expect(await late.ifLoaded()).toBeUndefined();
      now += 1;
    }
    expect(await late.get()).toBe('loaded');
    now += 1;
    expect(await late.get()).toBe('loaded');
    expect(tries).toHaveLength(3);
  });
});
