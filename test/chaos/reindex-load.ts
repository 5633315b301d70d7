import { RerankClient } from '@rerank-fleet/client';
import type { ReindexBody } from '@rerank-fleet/core/contracts';
import { setTimeout as sleep } from 'node:timers/promises';
import { callOnce, codeOf, succeeded } from './http-call.ts';

const PATIENCE_MS = 20_000;
const AGAIN_MS = 200;

export interface ReindexPlan {
  readonly corpus: string;
  /** Milliseconds from the start of the faults until it is begun. */
  readonly atMs: number;
  /** So slow that faults find it at work. */
  readonly documentsPerS: number;
}

/** A reindex of a run's own corpus, begun while documents are written to it. */
export class ReindexRun {
  /** Undefined until it has begun. */
  id: string | undefined;
  fault: string | undefined;
  /** Starts that were not heard of, or failed: each may have begun one, which then runs before or after that of `id`. */
  unheard = 0;
  readonly begun: Promise<void>;
  readonly #url: () => string;
  readonly #plan: ReindexPlan;
  #givenUp = false;

  constructor(url: () => string, plan: ReindexPlan) {
    this.#url = url;
    this.#plan = plan;
    this.begun = this.#begin();
  }

  abandon(): void {
    this.#givenUp = true;
  }

  /** As it stands; undefined where it never began. */
  async look(): Promise<ReindexBody | undefined> {
    return (await this.lookAtAll()).find(({ id }) => id === this.id);
  }

  /** All of the corpus. */
  async lookAtAll(): Promise<ReindexBody[]> {
    return await this.#client().reindexes.list({ corpus: this.#plan.corpus });
  }

  /** A start whose answer was lost is found in the way of the next. */
  async #begin(): Promise<void> {
    const { corpus, atMs, documentsPerS } = this.#plan;
    await sleep(atMs);
    while (!this.#givenUp && this.id === undefined) {
      const json = { requests_per_second: documentsPerS, promote: 'auto', keep_previous_s: 0 };
      const outcome = await callOnce(`${this.#url()}/v1/admin/corpora/${corpus}/reindex`, { json, patienceMs: PATIENCE_MS });
      if (outcome.kind === 'answered' && succeeded(outcome)) this.id = (outcome.body as ReindexBody).id;
      else if (codeOf(outcome) === 'reindex_in_progress') this.id = await this.#find();
      else if (outcome.kind === 'answered' && outcome.status < 500 && outcome.status !== 429) {
        this.fault = JSON.stringify(outcome.body);
        return;
      } else this.unheard += 1;
      if (this.id === undefined) await sleep(AGAIN_MS);
    }
  }

  async #find(): Promise<string | undefined> {
    const known = await this.lookAtAll().catch(() => []);
    return known[0]?.id;
  }

  #client(): RerankClient {
    return new RerankClient({ baseUrl: this.#url(), timeoutMs: 5_000 });
  }
}
