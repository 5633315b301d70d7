import { RerankError } from '@rerank-fleet/core/errors';
import { pino, type Logger } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeeperClock } from './keeper-clock.js';

let runs: string[];
let lines: string[];
let answers: Record<'sweep' | 'recover', () => Promise<void>>;
let logger: Logger;
let clock: KeeperClock;

beforeEach(() => {
  vi.useFakeTimers();
  runs = [];
  lines = [];
  answers = { sweep: () => Promise.resolve(), recover: () => Promise.resolve() };
  logger = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
  const keeper = (what: 'sweep' | 'recover') => (): Promise<void> => {
    runs.push(what);
    return answers[what]();
  };
  clock = new KeeperClock({ sweep: keeper('sweep'), recover: keeper('recover') }, logger);
  clock.onApplicationBootstrap();
});
afterEach(async () => {
  await clock.beforeApplicationShutdown();
  vi.useRealTimers();
});

const sweeps = (): number => runs.filter((run) => run === 'sweep').length;

describe('KeeperClock', () => {
  it('recovers at once and each minute, and sweeps every two seconds', async () => {
    expect(runs).toEqual(['recover']);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sweeps()).toBe(30);
    expect(runs.filter((run) => run === 'recover')).toHaveLength(2);
  });

  it('lets no two sweeps overlap', async () => {
    const slow = Promise.withResolvers<undefined>();
    answers.sweep = () => slow.promise;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sweeps()).toBe(1);
    slow.resolve(undefined);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(sweeps()).toBe(2);
  });

  it('goes on after a fault, and leaves it to the connection to say that Redis is away', async () => {
    answers.sweep = () => Promise.reject(new RerankError('queue_unavailable', 'Redis is away.'));
    await vi.advanceTimersByTimeAsync(4_000);
    expect([sweeps(), lines]).toEqual([2, []]);
    answers.sweep = () => Promise.reject(new TypeError('a bug'));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(lines.join('')).toContain('looking after batch jobs failed (sweep)');
  });

  it('stops, and waits for what is under way', async () => {
    const slow = Promise.withResolvers<undefined>();
    answers.sweep = () => slow.promise;
    await vi.advanceTimersByTimeAsync(2_000);
    let stopped = false;
    const stop = clock.beforeApplicationShutdown().then(() => (stopped = true));
    await vi.advanceTimersByTimeAsync(10_000);
    expect([stopped, sweeps()]).toEqual([false, 1]);
    slow.resolve(undefined);
    await stop;
    await vi.advanceTimersByTimeAsync(10_000);
    expect(sweeps()).toBe(1);
  });
});
