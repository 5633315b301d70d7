import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { RerankClient, RerankParameters, SearchParameters } from '@rerank-fleet/client';
import type { DocumentBody } from '@rerank-fleet/core/contracts';

const SAMPLES = new URL('../../samples/', import.meta.url);
const CORPUS = 'everyday';
const CALLS_PER_S = 0.5;
const JOB_ROWS = 300;
const ROW_DOCUMENTS = 5;
/** When something begins, as parts of the run. */
const BEGINS = { calls: 0.07, job: 0.3, upload: 0.58, bursts: [0.7, 0.8], end: 0.93 } as const;
const BURST_CALLS = 12;
/** One tenant's tokens in calls that wait: the burst goes beyond it, nothing else does. */
export const LOAD_SETTINGS = { TENANT_SYNC_TOKENS: '20000', SCORE_CACHE_REDIS_TTL_S: '3600' } as const;

/** What came of the calls: `ok`, or the code of the error. */
export type LoadOutcome = Readonly<Record<string, number>>;

/** A light load of every kind that the dashboard has a panel for, over a fleet of its own. */
export class MixedLoad {
  readonly #outcome: Record<string, number> = {};
  #number = 0;

  readonly #client: RerankClient;
  readonly #documents: readonly DocumentBody[];
  readonly #queries: readonly string[];

  private constructor(client: RerankClient, documents: readonly DocumentBody[], queries: readonly string[]) {
    this.#client = client;
    this.#documents = documents;
    this.#queries = queries;
  }

  /** Stores the sample corpus. The client is one that repeats nothing: each call is to be counted once. */
  static async prepare(client: RerankClient): Promise<MixedLoad> {
    const documents = (await readFile(new URL('everyday.jsonl', SAMPLES), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as DocumentBody);
    const queries = (JSON.parse(await readFile(new URL('queries.json', SAMPLES), 'utf8')) as { readonly query: string }[]).map(
      ({ query }) => query,
    );
    await client.putCorpus(CORPUS, {});
    await client.ingest(CORPUS, documents, { wait: true });
    return new MixedLoad(client, documents, queries);
  }

  /** Nothing; calls, and with them a batch job, an upload and bursts that are partly turned away; nothing. */
  async run(ms: number): Promise<LoadOutcome> {
    const began = performance.now();
    const until = (part: number): Promise<void> => sleep(Math.max(0, began + part * ms - performance.now()));
    const at = async (part: number, work: () => Promise<unknown>): Promise<void> => {
      await until(part);
      await work();
    };
    await Promise.all([
      at(BEGINS.calls, () => this.#callSteadily(((BEGINS.end - BEGINS.calls) * ms) / 1_000)),
      at(BEGINS.job, () => this.#job()),
      at(BEGINS.upload, () => this.#upload()),
      ...BEGINS.bursts.map((part) => at(part, () => this.#burst())),
      until(1),
    ]);
    return this.#outcome;
  }

  /** At even distances, whether or not earlier ones are answered. */
  async #callSteadily(seconds: number): Promise<void> {
    const began = performance.now();
    const calls: Promise<void>[] = [];
    for (let number = 0; number < seconds * CALLS_PER_S; number += 1) {
      await sleep(Math.max(0, began + (number / CALLS_PER_S) * 1_000 - performance.now()));
      calls.push(this.#note(this.#call(number)));
    }
    await Promise.all(calls);
  }

  /** One of a round of calls: three ways to retrieve, with and without early exit, queries that come back and new ones, and now and then a mistake. */
  #call(number: number): Promise<unknown> {
    switch (number % 10) {
      case 0:
        return this.#rerank(20);
      case 5:
        return this.#rerank(15, { effort: 'fast' });
      case 1:
      case 6:
        return this.#search({ query: this.#newQuery(), mode: 'hybrid', effort: 'balanced', top_k: 50, top_n: 5 });
      case 2:
        return this.#rerank(60, { effort: 'balanced', top_n: 5 });
      case 3:
        return this.#search({ query: this.#query(number), mode: 'hybrid', top_k: 30 });
      case 4:
        return this.#search({ query: this.#newQuery(), mode: 'dense', top_k: 30 });
      case 7:
        return this.#search({ query: this.#newQuery(), mode: 'sparse', top_k: 30 });
      case 8:
        return this.#search({ query: this.#query(number), mode: 'dense', top_k: 30 });
      default:
        return this.#mistake(number);
    }
  }

  #mistake(number: number): Promise<unknown> {
    switch (((number - 9) / 10) % 4) {
      case 0:
        return this.#client.search({ corpus: 'no-such-corpus', query: this.#query(number) });
      case 1:
        return this.#client.rerank({ query: '', documents: ['a text'] });
      case 2:
        return this.#rerank(60, { timeout_ms: 5 });
      default:
        return this.#client.getJob('job_0000000000000000');
    }
  }

  #rerank(count: number, more: Partial<RerankParameters> = {}): Promise<unknown> {
    return this.#client.rerank({ query: this.#newQuery(), documents: this.#texts(count), ...more });
  }

  #search(parameters: Omit<SearchParameters, 'corpus'>): Promise<unknown> {
    return this.#client.search({ corpus: CORPUS, ...parameters });
  }

  async #job(): Promise<void> {
    const requests = Array.from({ length: JOB_ROWS }, (_, at) => ({
      custom_id: `row-${at}`,
      query: this.#newQuery(),
      documents: this.#texts(ROW_DOCUMENTS),
    }));
    const { id } = await this.#client.submitJob({ requests });
    await this.#client.waitForJob(id);
  }

  async #upload(): Promise<void> {
    await this.#client.putCorpus('again', {});
    await this.#client.ingest('again', this.#documents, { wait: true });
  }

  async #burst(): Promise<void> {
    await Promise.all(Array.from({ length: BURST_CALLS }, () => this.#note(this.#rerank(40))));
  }

  #query(number: number): string {
    return this.#queries[number % this.#queries.length]!;
  }

  /** The same to every tokenizer, but another key to every cache. */
  #newQuery(): string {
    this.#number += 1;
    return this.#query(this.#number) + ' '.repeat(1 + Math.floor(this.#number / this.#queries.length));
  }

  #texts(count: number): string[] {
    const from = this.#number * 13;
    return Array.from({ length: count }, (_, at) => this.#documents[(from + at) % this.#documents.length]!.text);
  }

  async #note(call: Promise<unknown>): Promise<void> {
    const outcome = await call.then(
      () => 'ok',
      (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)),
    );
    this.#outcome[outcome] = (this.#outcome[outcome] ?? 0) + 1;
  }
}
