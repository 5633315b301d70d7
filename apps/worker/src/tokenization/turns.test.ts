import type { Steps } from '@rerank-fleet/core/retrieval';
import { describe, expect, it } from 'vitest';
import { CancelledWorkError, Turns } from './turns.js';

/** Takes so many steps of a quarter of a millisecond each. */
function* steps(count: number): Steps<void> {
  for (let step = 0; step < count; step += 1) {
    const end = performance.now() + 0.25;
    while (performance.now() < end);
    yield;
  }
}

function start() {
  const turns = new Turns();
  const done: string[] = [];
  const begin = (name: string, priority: 'sync' | 'batch', count: number): Promise<void> =>
    new Promise((resolve) => {
      turns.begin(priority, async (pace) => {
        await pace(steps(count));
        done.push(name);
        resolve();
      });
    });
  return { turns, done, begin };
}

describe(Turns.name, () => {
  it('lets a call that just came pass those that take long, and calls pass uploads', async () => {
    const { done, begin } = start();
    await Promise.all([begin('upload', 'batch', 400), begin('long', 'sync', 200), begin('short', 'sync', 1), begin('other', 'sync', 1)]);
    expect(done).toEqual(['short', 'other', 'long', 'upload']);
  });

  it('gives uploads a turn now and then, however many calls there are', async () => {
    const { turns, begin } = start();
    let upload = false;
    let calls = 0;
    const uploading = begin('upload', 'batch', 40).then(() => (upload = true));
    const more = (): void => {
      turns.begin('sync', async (pace) => {
        await pace(steps(40));
        calls += 1;
        if (!upload) more();
      });
    };
    more();
    more();
    await uploading;
    expect(calls).toBeGreaterThan(1);
  });

  it('looks at its messages between turns', async () => {
    const { done, begin } = start();
    setImmediate(() => done.push('message'));
    await begin('long', 'sync', 200);
    expect(done).toEqual(['message', 'long']);
  });

  it('ends cancelled work at its next step, and that which waits before its first', async () => {
    const turns = new Turns();
    let taken = 0;
    function* endless(): Steps<never> {
      for (;;) {
        taken += 1;
        yield;
      }
    }
    const ended = Promise.withResolvers<unknown>();
    const never = Promise.withResolvers<unknown>();
    const cancelEndless = turns.begin('sync', async (pace) => {
      await Promise.resolve(pace(endless())).catch(ended.resolve);
    });
    const cancelWaiting = turns.begin('batch', async (pace) => {
      try {
        await pace(steps(1));
      } catch (error) {
        never.resolve(error);
      }
    });
    setImmediate(() => {
      cancelEndless();
      cancelWaiting();
    });
    expect(await ended.promise).toBeInstanceOf(CancelledWorkError);
    expect(await never.promise).toBeInstanceOf(CancelledWorkError);
    const before = taken;
    await new Promise((resolve) => setImmediate(resolve));
    expect(taken).toBe(before);
  });
});
