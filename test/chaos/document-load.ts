import { RerankClient } from '@rerank-fleet/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { callOnce, codeOf, succeeded } from './http-call.ts';
import type { Random } from './random.ts';
import { COMMON_WORD, TEXTS } from './texts.ts';

const PATIENCE_MS = 20_000;
const PAUSE_MS = 120;
/** Documents that are there before the faults begin. */
const FIRST_DOCUMENTS = 16;

export interface DocumentLoadOptions {
  readonly corpus: string;
  /** Of an upload. */
  readonly mostDocuments: number;
  readonly mostWrites: number;
}

/** Stands for a document that is not there. */
export const ABSENT = null;

/**
 * One writer to a corpus of its own, which does one thing after the other: uploads, changes and deletions. It knows of each document what may be there at the end: what
 * the last accepted write said, and besides that whatever writes after it said whose fate was never told.
 */
export class DocumentLoad {
  readonly corpus: string;
  /** Document id → texts that it may have at the end. */
  readonly allowed = new Map<string, Set<string | null>>();
  /** Answers that no client should get. */
  readonly faults: string[] = [];
  /** Writes that ended without an answer, or with an error. */
  unclear = 0;
  readonly #url: () => string;
  readonly #random: Random;
  readonly #most: number;
  readonly #writes: number;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(url: () => string, random: Random, options: DocumentLoadOptions) {
    this.corpus = options.corpus;
    this.#url = url;
    this.#random = random;
    this.#most = options.mostDocuments;
    this.#writes = options.mostWrites;
  }

  /** Makes the corpus with its first documents, while there are no faults. */
  async prepare(): Promise<void> {
    const client = new RerankClient({ baseUrl: this.#url() });
    await client.putCorpus(this.corpus);
    const documents = Array.from({ length: FIRST_DOCUMENTS }, (_, number) => ({ id: `d${number}`, text: this.#text() }));
    await client.ingest(this.corpus, documents, { wait: true });
    for (const { id, text } of documents) this.allowed.set(id, new Set([text]));
  }

  start(): void {
    this.#running = this.#writeOn();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #writeOn(): Promise<void> {
    for (let write = 0; !this.#stopping && write < this.#writes; write += 1) {
      await (this.#random.chance(0.55) ? this.#upload() : this.#delete());
      await sleep(PAUSE_MS);
    }
  }

  #text(): string {
    return `${COMMON_WORD} ${this.#random.pick(TEXTS)}`;
  }

  async #upload(): Promise<void> {
    const documents = Array.from({ length: this.#random.whole(1, this.#most) }, () => ({
      id: `d${this.#random.whole(0, 2 * this.#most)}`,
      text: this.#text(),
    }));
    const outcome = await callOnce(this.#path('/documents'), { json: { documents }, patienceMs: PATIENCE_MS });
    const isAccepted = succeeded(outcome);
    if (!isAccepted) this.#note('upload', outcome.kind === 'answered' ? outcome.status : 0, codeOf(outcome));
    // The last one of an id counts.
    for (const [id, text] of new Map(documents.map((document) => [document.id, document.text]))) this.#record(id, text, isAccepted);
  }

  async #delete(): Promise<void> {
    const id = this.#random.pick([...this.allowed.keys()]);
    const outcome = await callOnce(this.#path('/documents/delete'), { json: { ids: [id] }, patienceMs: PATIENCE_MS });
    if (!succeeded(outcome)) this.#note('delete', outcome.kind === 'answered' ? outcome.status : 0, codeOf(outcome));
    this.#record(id, ABSENT, succeeded(outcome));
  }

  #record(id: string, state: string | null, isAccepted: boolean): void {
    if (isAccepted) this.allowed.set(id, new Set([state]));
    else this.allowed.set(id, new Set([...(this.allowed.get(id) ?? [ABSENT]), state]));
  }

  #note(what: string, status: number, code: string | undefined): void {
    this.unclear += 1;
    if (status !== 0 && status < 500 && status !== 429) this.faults.push(`${what}: ${status} ${code ?? ''}`);
  }

  #path(rest: string): string {
    return `${this.#url()}/v1/corpora/${this.corpus}${rest}`;
  }
}
