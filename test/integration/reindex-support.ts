import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { loadConfig } from '@rerank-fleet/core/config';
import type { CorpusSettingsBody, ReindexRequestBody, SearchOutcome } from '@rerank-fleet/core/contracts';
import { reindexRequestSchema } from '@rerank-fleet/core/contracts';
import { promotedVersion, requireReindex } from '@rerank-fleet/core/corpora';
import type { CorpusRecord, CorpusRef, CorpusVersion, Document, ReindexRecord } from '@rerank-fleet/core/domain';
import { IngestJobs } from '@rerank-fleet/core/jobs';
import { createLogger } from '@rerank-fleet/core/observability';
import type { CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';
import { startModels, type RunningModels } from '@rerank-fleet/worker/composition/start-models';
import { corpusTask } from '@rerank-fleet/worker/ingest/corpus-task';
import { ingestTask } from '@rerank-fleet/worker/ingest/ingest-task';
import { ReindexKeeper, type ReindexKeeperParts } from '@rerank-fleet/worker/reindex/reindex-keeper';
import { REINDEX_LIMITS, type ReindexLimits } from '@rerank-fleet/worker/reindex/reindex-parts';
import { searchTask } from '@rerank-fleet/worker/tasks/search-task';
import { Bm25Encoders } from '@rerank-fleet/worker/tokenization/bm25-encoders';
import { expect } from 'vitest';
import type { Life } from '../support/life.js';
import { writeTinyModel } from '../support/tiny-models/index.js';

export const TENANT = 'acme';
/** A document, and then nothing for as long as any test takes. */
export const STANDSTILL = { requests_per_second: 0.001 };
const NOBODY_LEAVES = new AbortController().signal;

/** Quick, so that a test sees many pages, saves and looks. */
export const QUICK: ReindexLimits = {
  ...REINDEX_LIMITS,
  leaseMs: 2_000,
  beatMs: 20,
  saveMs: 50,
  pageDocuments: 8,
  pagesInFlight: 2,
};

const WORDS =
  'apple tree prune fruit garden winter spring summer branch cut shears steel stock price market pie bake oven sugar recipe'.split(' ');

/** Several passages each, with words that no other has in this order. */
export function documentsFor(count: number, first = 0): Document[] {
  return Array.from({ length: count }, (_, offset) => {
    const number = first + offset;
    const word = (step: number): string => WORDS[(number * 7 + step * (1 + (number % 5))) % WORDS.length]!;
    const sentences = Array.from({ length: 1 + (number % 4) }, (_, line) =>
      Array.from({ length: 9 }, (_, step) => word(step + 3 * line)).join(' '),
    );
    return {
      id: `d${String(number).padStart(4, '0')}`,
      title: `${word(1)} ${number}`,
      text: `${sentences.join('. ')}.`,
      metadata: { number },
    };
  });
}

/** The parts of a worker in this process, on real stores and tiny models; what a test kills or slows down is put in between. */
export class ReindexRig {
  readonly directory: string;
  readonly models: RunningModels;
  readonly documents: DocumentStore;
  readonly candidates: CandidateStore;
  readonly embedderNames: readonly [string, string];
  readonly metered = { created: 0, updated: 0, failed: 0, throttledMs: 0, inHand: 0 };
  readonly #jobs: IngestJobs;
  readonly #bm25 = new Bm25Encoders();
  readonly #keepers: ReindexKeeper[] = [];
  #seq = 1;
  #id = 1;

  private constructor(directory: string, models: RunningModels) {
    this.directory = directory;
    this.models = models;
    this.embedderNames = models.embedders.all.map(({ name }) => name) as [string, string];
    const { documentStore, candidateStore } = openEmbeddedStores({ directory: join(directory, 'store') });
    this.documents = documentStore;
    this.candidates = candidateStore;
    this.#jobs = new IngestJobs(new FileBlobStore(join(directory, 'blobs')));
  }

  /** The second embedder throws at the word `poison` and gives no number for `nowhere`; the first takes any word. */
  static async start(): Promise<ReindexRig> {
    const directory = await mkdtemp(join(tmpdir(), 'rerank-reindex-'));
    const path = (name: string): string => join(directory, name);
    await writeTinyModel(path('tiny-reranker'), { kind: 'cross-encoder', layout: 'bert' });
    await writeTinyModel(path('first-embedder'), { kind: 'embedder', layout: 'roberta' });
    await writeTinyModel(path('second-embedder'), { kind: 'embedder', layout: 'bert', seed: 2 });
    const config = loadConfig({
      RERANK_STATE_DIR: path('state'),
      RERANK_MODELS: path('tiny-reranker'),
      EMBEDDING_MODEL: `${path('first-embedder')},${path('second-embedder')}`,
      INFERENCE_THREADS: '1',
      AUTO_TUNE: 'false',
      MAX_BATCH_DELAY_MS: '0',
      FAST_GRAPH: 'false',
    });
    const hang = (detail: string): void => expect.fail(detail);
    return new ReindexRig(directory, await startModels(config, createLogger({ level: 'fatal', process: 'worker' }), hang));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#keepers.map((keeper) => keeper.stop()));
    await this.models.close();
    await Promise.all([this.documents.close(), this.candidates.close()]);
    await rm(this.directory, { recursive: true, force: true });
  }

  parts(limits: Partial<ReindexLimits> = {}): ReindexKeeperParts {
    return {
      documents: this.documents,
      candidates: this.candidates,
      embedders: this.models.embedders,
      cutDocuments: (documents, version, signal) =>
        this.models.texts.cutDocuments(version.embedder.sha256, documents, version, { priority: 'batch', signal }),
      encodeSparseQuery: (query, { bm25 }) => this.#bm25.of(bm25).encodeQuery(query),
      now: Date.now,
      pauseMs: () => 20,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      meter: {
        documents: (outcome, count) => (this.metered[outcome] += count),
        throttled: (ms) => (this.metered.throttledMs += ms),
        inHand: (count) => (this.metered.inHand = count),
      },
      limits: { ...QUICK, ...limits },
      heldModels: () => Promise.resolve(new Set(this.models.embedders.all.map(({ sha256 }) => sha256))),
      tell: () => Promise.resolve(),
    };
  }

  /** A worker that takes reindexes; one that stops is stopped with the rig at the latest. */
  keeper(parts: Partial<ReindexKeeperParts> = {}, stops = true): ReindexKeeper {
    const keeper = new ReindexKeeper({ ...this.parts(), ...parts });
    if (stops) this.#keepers.push(keeper);
    return keeper;
  }

  /** Settings with the embedder that corpora are not made with. */
  another(): { readonly embedding_model: string } {
    return { embedding_model: this.embedderNames[1] };
  }

  /** The promoted version, without the numbers of its writes. */
  async promotedDump(corpus: string): Promise<DumpedPassage[]> {
    const { versions, promotedVersion } = await this.record(corpus);
    return unnumbered(this.dump(versions.find(({ version }) => version === promotedVersion)!));
  }

  ref(corpus: string): CorpusRef {
    return { tenant: TENANT, corpus };
  }

  async record(corpus: string): Promise<CorpusRecord> {
    const record = await this.documents.findCorpus(this.ref(corpus));
    expect(record).toBeDefined();
    return record!;
  }

  async reindex(corpus: string, id: string): Promise<ReindexRecord> {
    return requireReindex(await this.record(corpus), id);
  }

  async makeCorpus(corpus: string, documents: readonly Document[] = [], settings: CorpusSettingsBody = {}): Promise<void> {
    await this.#change(corpus, { op: 'put', settings: { embedding_model: this.embedderNames[0], ...settings } });
    if (documents.length > 0) await this.upload(corpus, documents);
  }

  /** Starts one, and has the keeper told of it. Resolves to its id. */
  async start(corpus: string, request: Partial<ReindexRequestBody> = {}, keeper?: ReindexKeeper): Promise<string> {
    const id = `r${this.#id++}`;
    await this.#change(corpus, { op: 'start_reindex', id, request: reindexRequestSchema.parse(request) }, keeper);
    return id;
  }

  /** As the queue delivers the same task once more. */
  async startAgain(corpus: string, id: string): Promise<void> {
    await this.#change(corpus, { op: 'start_reindex', id, request: reindexRequestSchema.parse({}) });
  }

  async control(corpus: string, id: string, action: ControlAction, keeper?: ReindexKeeper): Promise<void> {
    await this.#change(corpus, { op: 'control_reindex', id, action }, keeper);
  }

  /** @param corpusId of the one that is meant; any of the name without it */
  async deleteCorpus(corpus: string, { corpusId, life }: { readonly corpusId?: string; readonly life?: Life } = {}): Promise<void> {
    const parts = this.parts();
    const through =
      life === undefined ? parts : { ...parts, documents: life.through(parts.documents), candidates: life.through(parts.candidates) };
    await this.#change(corpus, { op: 'delete', ...(corpusId === undefined ? {} : { corpus_id: corpusId }) }, undefined, through);
  }

  /**
   * Resolves when they are in the record and in every version.
   *
   * @param faulty ids of those that the embedder cannot take
   */
  async upload(corpus: string, documents: readonly Document[], faulty: readonly string[] = []): Promise<void> {
    const { corpusId } = await this.record(corpus);
    const upload = this.#jobs.begin({ ...this.ref(corpus), corpusId });
    for (const [index, document] of documents.entries()) await upload.add({ line: index + 1, document });
    const job = await upload.commit((count) => {
      this.#seq += count;
      return Promise.resolve(this.#seq - count);
    });
    const handler = ingestTask({ ...this.parts(), jobs: this.#jobs });
    const errors: (string | undefined)[] = [];
    for (const slice of job.slices.keys()) {
      const outcome = await handler({ kind: 'ingest', job_id: job.id, slice }, this.#context());
      errors.push(...outcome.errors.map(({ document_id: id }) => id));
    }
    expect(errors).toEqual(faulty);
  }

  async deleteDocuments(corpus: string, ids: readonly string[]): Promise<void> {
    const { corpusId } = await this.record(corpus);
    await this.#change(corpus, { op: 'delete_documents', corpus_id: corpusId, seq: this.#seq++, ids: [...ids] });
  }

  /** As the API and a worker do it: the promoted version is pinned, then searched. */
  async search(corpus: string, query: string, pinned?: CorpusVersion): Promise<SearchOutcome> {
    const version = pinned ?? promotedVersion(await this.record(corpus));
    const { candidates: store, embedders, encodeSparseQuery } = this.parts();
    const external = { settle: () => expect.fail('no source'), retrieve: () => expect.fail('no source'), close: () => undefined };
    const handler = searchTask(
      { store, embedders, encodeSparseQuery, external },
      { encoders: this.models.encoders, deterministic: true, effort: 'full', cacheDocuments: false },
    );
    const request = { query, version, mode: 'hybrid', top_k: 50, top_n: 10, group_by: 'document', long_document: 'truncate' } as const;
    return await handler({ kind: 'search', ...request }, this.#context());
  }

  /** Resolves with the reindex once it has come to the status. */
  async until(corpus: string, id: string, status: ReindexRecord['status'] | readonly ReindexRecord['status'][]): Promise<ReindexRecord> {
    const wanted: readonly string[] = typeof status === 'string' ? [status] : status;
    await expect.poll(async () => wanted.includes((await this.reindex(corpus, id)).status), { timeout: 20_000, interval: 5 }).toBe(true);
    return await this.reindex(corpus, id);
  }

  dump(version: CorpusVersion): readonly DumpedPassage[] {
    return dumpVersion(join(this.directory, 'store'), version);
  }

  /** Versions whose indexes lie in the file, of all corpora of this name. */
  indexes(corpus: string): number[] {
    const database = new DatabaseSync(join(this.directory, 'store', 'embedded.sqlite'), { readOnly: true });
    try {
      const rows = database.prepare('SELECT version FROM versions WHERE tenant = ? AND corpus = ? ORDER BY version').all(TENANT, corpus);
      return rows.map(({ version }) => version as number);
    } finally {
      database.close();
    }
  }

  async #change(
    corpus: string,
    change: Parameters<ReturnType<typeof corpusTask>>[0]['change'],
    keeper?: ReindexKeeper,
    parts: ReindexKeeperParts = this.parts(),
  ): Promise<void> {
    const handler = corpusTask({
      ...parts,
      external: { settle: () => expect.fail('no source') },
      onReindex: keeper?.poke ?? (() => undefined),
      onDeletionCut: () => undefined,
    });
    await handler({ kind: 'corpus', corpus, change }, this.#context());
  }

  #context() {
    return { taskId: 'test', tenant: TENANT, requestId: 'test', queueMs: 0, signal: NOBODY_LEAVES };
  }
}

export type ControlAction = Extract<Parameters<ReturnType<typeof corpusTask>>[0]['change'], { readonly op: 'control_reindex' }>['action'];

export interface DumpedPassage {
  readonly document_id: string;
  readonly seq: number;
  readonly title: string | null;
  readonly metadata: string | null;
  readonly content_hash: string;
  readonly ordinal: number;
  readonly start_offset: number;
  readonly end_offset: number;
  readonly text: string;
  readonly dense: readonly number[];
  readonly terms: readonly number[];
  readonly weights: readonly number[];
}

const DUMP = `
  SELECT d.document_id, d.seq, d.title, d.metadata, d.content_hash, p.ordinal, p.start_offset, p.end_offset, p.text, p.dense, p.terms, p.weights
  FROM versions v JOIN indexed_documents d ON d.version_key = v.key JOIN passages p ON p.document_key = d.key
  WHERE v.tenant = ? AND v.corpus = ? AND v.corpus_id = ? AND v.version = ? ORDER BY d.document_id, p.ordinal`;

/** Every row of a version as it lies in the file of an embedded store, in an order that does not depend on the order of writes. */
export function dumpVersion(storeDirectory: string, version: CorpusVersion): readonly DumpedPassage[] {
  const database = new DatabaseSync(join(storeDirectory, 'embedded.sqlite'), { readOnly: true });
  try {
    const rows = database.prepare(DUMP).all(version.tenant, version.corpus, version.corpusId, version.version);
    return rows.map(({ dense, terms, weights, ...row }) => ({
      ...(row as unknown as Omit<DumpedPassage, 'dense' | 'terms' | 'weights'>),
      dense: Array.from(floats(dense as Uint8Array)),
      terms: Array.from(new Uint32Array(floats(terms as Uint8Array).buffer)),
      weights: Array.from(floats(weights as Uint8Array)),
    }));
  } finally {
    database.close();
  }
}

function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}

/** The same passages point by point; vectors as far as batch mates move them in fp32. */
export function expectSameIndex(actual: readonly DumpedPassage[], wanted: readonly DumpedPassage[]): void {
  const bare = (rows: readonly DumpedPassage[]) => rows.map(({ dense: _, ...row }) => row);
  expect(bare(actual)).toEqual(bare(wanted));
  for (const [position, { dense }] of actual.entries()) {
    const other = wanted[position]!.dense;
    const apart = Math.max(...dense.map((value, dimension) => Math.abs(value - other[dimension]!)));
    expect(apart).toBeLessThan(1e-5);
  }
}

/** The same object but for some methods. */
export function between<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get: (_, name) => {
      const own: unknown = Reflect.get(methods, name);
      const member: unknown = own ?? Reflect.get(target, name, target);
      return typeof member === 'function' && own === undefined ? (member.bind(target) as unknown) : member;
    },
  });
}

export const unnumbered = (rows: readonly DumpedPassage[]): DumpedPassage[] => rows.map((row) => ({ ...row, seq: 0 }));
