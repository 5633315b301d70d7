import { setTimeout as sleep } from 'node:timers/promises';
import { callOnce, type CallOutcome } from './http-call.ts';
import { LagWatch } from './lag-watch.ts';
import { bodyOf, SEARCHES, type Ask } from './oracle.ts';
import type { Random } from './random.ts';
import { QUERIES, TEXTS } from './texts.ts';

/** A call that has no answer so long after its deadline gets none. */
const PATIENCE_MS = 7_000;
const CALLERS = 3;
const TIMEOUTS_MS = [1_500, 4_000, 12_000] as const;

export interface SyncCall {
  readonly ask: Ask;
  readonly timeoutMs: number;
  readonly tookMs: number;
  /** How late any answer was at its arrival and at its deadline together, by what the machine had to do. */
  readonly lagMs: number;
  readonly outcome: CallOutcome;
}

export const drawSearch = (random: Random): Ask => ({ kind: 'search', search: random.whole(0, SEARCHES.length - 1) });

export function drawAsk(random: Random, mostTexts: number): Ask {
  if (random.chance(0.3)) return drawSearch(random);
  const numbers = [...TEXTS.keys()];
  return { kind: 'rerank', query: random.whole(0, QUERIES.length - 1), texts: random.sample(numbers, random.whole(1, mostTexts)) };
}

/** Callers that each send one request after the other. */
export class SyncLoad {
  readonly calls: SyncCall[] = [];
  readonly #lag: LagWatch;
  readonly #callers: Promise<void>[];
  #stopping = false;

  constructor(url: () => string, random: Random) {
    this.#lag = new LagWatch(url);
    this.#callers = Array.from({ length: CALLERS }, () => this.#callOn(url, random.fork()));
  }

  /** Sends nothing more; resolves when all that was sent has ended. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#callers);
    await this.#lag.stop();
  }

  async #callOn(url: () => string, random: Random): Promise<void> {
    while (!this.#stopping) {
      this.calls.push(await syncCall(url(), drawAsk(random, 12), { timeoutMs: random.pick(TIMEOUTS_MS), lag: this.#lag }));
      await sleep(random.whole(10, 60));
    }
  }
}

export async function syncCall(
  url: string,
  ask: Ask,
  { timeoutMs, lag }: { readonly timeoutMs: number; readonly lag: LagWatch },
): Promise<SyncCall> {
  const startedAt = performance.now();
  const outcome = await callOnce(`${url}/v1/${ask.kind}`, {
    json: { ...bodyOf(ask), timeout_ms: timeoutMs },
    patienceMs: timeoutMs + PATIENCE_MS,
  });
  const lagMs = lag.around(startedAt) + lag.since(startedAt + timeoutMs);
  return { ask, timeoutMs, tookMs: performance.now() - startedAt, lagMs, outcome };
}
