import type { Adapters } from '@rerank-fleet/api/adapters.module';
import type { KeyListing, KeyStore, StoredKey } from '@rerank-fleet/api/auth/stored-keys';
import type { TaskCall, TaskSubmission } from '@rerank-fleet/api/dispatch/task-dispatcher';
import { loadConfig, type Config } from '@rerank-fleet/core/config';
import type { CorpusTask, TaskBody, TaskOutcome, WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import {
  isUnsettled,
  type CorpusRecord,
  type CorpusRef,
  type CorpusVersion,
  type PendingDelete,
  type StoredDocument,
} from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { IngestJobs, type BatchLedger } from '@rerank-fleet/core/jobs';
import type { BlobBody, BlobListOptions, BlobRange, BlobStore, DocumentPage, DocumentStore } from '@rerank-fleet/core/ports';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';

export const EMBEDDER = { name: 'tiny-embedder', sha256: 'e'.repeat(64), dimensions: 4 } as const;
export const RERANKER = { name: 'tiny-reranker', sha256: 'c'.repeat(64) } as const;
/** Of no worker, unless a test says so. */
export const LIGHT = { name: 'light-reranker', sha256: 'd'.repeat(64) } as const;

export function announcement(overrides: Partial<WorkerAnnouncement> = {}): WorkerAnnouncement {
  return {
    worker_id: 'worker-1',
    pool: 'default',
    state: 'ready',
    device: 'cpu',
    started_at: 1_000_000,
    models: [
      { name: RERANKER.name, kind: 'cross-encoder', sha256: RERANKER.sha256, maxLength: 512, precision: 'int8' },
      {
        name: EMBEDDER.name,
        kind: 'embedder',
        sha256: EMBEDDER.sha256,
        maxLength: 512,
        precision: 'int8',
        dimensions: EMBEDDER.dimensions,
      },
    ],
    ...overrides,
  };
}

/** A whole record with one version. */
export function corpusRecord(ref: CorpusRef): CorpusRecord {
  const chunking = { mode: 'sentences', maxTokens: 256, overlapTokens: 32 } as const;
  const bm25 = { k1: 1.2, b: 0.75, averageLength: 100, language: 'english', termHash: 'murmur3-32' } as const;
  const version: CorpusVersion = {
    ...ref,
    version: 1,
    corpusId: `id-${ref.corpus}`,
    embedder: EMBEDDER,
    chunking,
    bm25,
    fields: {},
    createdAt: 5_000,
  };
  return {
    ...ref,
    corpusId: version.corpusId,
    settings: { embeddingModel: EMBEDDER.name, chunking, bm25, fields: {} },
    versions: [version],
    promotedVersion: 1,
    revision: 1,
    createdAt: 5_000,
  };
}

const refKey = ({ tenant, corpus }: CorpusRef): string => `${tenant}/${corpus}`;

/** The record of corpora in this process' memory. */
export class MemoryDocumentStore implements DocumentStore {
  readonly corpora = new Map<string, CorpusRecord>();
  readonly documents = new Map<string, Map<string, StoredDocument>>();
  readonly pendingDeletes = new Map<string, PendingDelete>();
  /** Every call fails with it while it is set. */
  fault: RerankError | undefined;

  async createCorpus(record: CorpusRecord): Promise<boolean> {
    this.#check();
    if (this.corpora.has(refKey(record))) return false;
    this.corpora.set(refKey(record), record);
    this.documents.set(refKey(record), new Map());
    return true;
  }

  async findCorpus(ref: CorpusRef): Promise<CorpusRecord | undefined> {
    this.#check();
    return this.corpora.get(refKey(ref));
  }

  async listCorpora(tenant: string): Promise<readonly CorpusRecord[]> {
    this.#check();
    return [...this.corpora.values()].filter((record) => record.tenant === tenant).sort((a, b) => (a.corpus < b.corpus ? -1 : 1));
  }

  async listAllCorpora(): Promise<readonly CorpusRecord[]> {
    return [...this.corpora.values()];
  }

  async listUnsettled(): Promise<readonly CorpusRef[]> {
    return [...this.corpora.values()].filter(isUnsettled);
  }

  async updateCorpus(record: CorpusRecord): Promise<boolean> {
    this.corpora.set(refKey(record), record);
    return true;
  }

  async deleteCorpus(ref: CorpusRef): Promise<boolean> {
    return this.corpora.delete(refKey(ref));
  }

  async countDeleted(): Promise<number> {
    return 0;
  }

  async putDocuments(ref: CorpusRef, documents: readonly StoredDocument[]): Promise<ReadonlySet<string>> {
    for (const document of documents) this.documents.get(refKey(ref))?.set(document.id, document);
    return new Set(documents.map((document) => document.id));
  }

  async deleteDocuments(ref: CorpusRef, ids: readonly string[]): Promise<number> {
    return ids.filter((id) => this.documents.get(refKey(ref))?.delete(id)).length;
  }

  async findDocument(ref: CorpusRef, id: string): Promise<StoredDocument | undefined> {
    this.#check();
    return this.documents.get(refKey(ref))?.get(id);
  }

  async scanDocuments(
    ref: CorpusRef,
    { after, limit = Infinity }: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<DocumentPage> {
    this.#check();
    const all = [...(this.documents.get(refKey(ref))?.values() ?? [])];
    const start = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
    const documents = all.slice(start, start + limit);
    return { documents, ...(start + documents.length < all.length ? { next: documents.at(-1)!.id } : {}) };
  }

  async countDocuments(ref: CorpusRef): Promise<number> {
    return this.documents.get(refKey(ref))?.size ?? 0;
  }

  async beginDelete(pending: PendingDelete): Promise<void> {
    this.pendingDeletes.set(pending.id, pending);
  }

  async endDelete({ id }: Pick<PendingDelete, 'id'>): Promise<void> {
    this.pendingDeletes.delete(id);
  }

  async listPendingDeletes(): Promise<readonly PendingDelete[]> {
    return [...this.pendingDeletes.values()];
  }

  async purgeTombstones(): Promise<void> {
    // No tombstones are kept.
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #check(): void {
    if (this.fault !== undefined) throw this.fault;
  }
}

/** Blobs in this process' memory. */
export class MemoryBlobStore implements BlobStore {
  readonly blobs = new Map<string, Buffer>();
  fault: RerankError | undefined;

  async put(key: string, body: BlobBody): Promise<void> {
    if (this.fault !== undefined) throw this.fault;
    this.blobs.set(key, body instanceof Readable ? await buffer(body) : Buffer.from(body as string));
  }

  async create(key: string, body: BlobBody): Promise<boolean> {
    const content = body instanceof Readable ? await buffer(body) : body;
    if (this.blobs.has(key)) return false;
    await this.put(key, content);
    return true;
  }

  async get(key: string): Promise<Buffer | undefined> {
    return this.blobs.get(key);
  }

  async stream(key: string, { start, end }: BlobRange = { start: 0 }): Promise<Readable | undefined> {
    const blob = this.blobs.get(key);
    return blob === undefined ? undefined : Readable.from([blob.subarray(start, end)], { objectMode: false });
  }

  async size(key: string): Promise<number | undefined> {
    return this.blobs.get(key)?.length;
  }

  async delete(key: string): Promise<void> {
    this.blobs.delete(key);
  }

  async deleteUnder(prefix: string): Promise<void> {
    for (const key of [...this.blobs.keys()]) if (key.startsWith(`${prefix}/`)) this.blobs.delete(key);
  }

  async *list(prefix: string, { after = '' }: BlobListOptions = {}): AsyncIterable<string> {
    yield* [...this.blobs.keys()].filter((key) => key.startsWith(`${prefix}/`) && key > after).sort();
  }
}

const away = (): Promise<never> => Promise.reject(new RerankError('queue_unavailable', 'There is no Redis here.'));

/** That of a fleet without Redis: jobs are kept, and nothing of them is handed out. */
const NO_LEDGER: BatchLedger = {
  open: away,
  pick: async () => [],
  commit: away,
  close: away,
  flights: async () => [],
  drop: away,
  seal: away,
  forget: away,
  state: async () => undefined,
  overdue: async () => [],
  due: async () => ({ expired: [], finishable: [] }),
  pools: async () => [],
};

/** Nobody asks for workers. */
const NO_DEMAND: Adapters['demand'] = {
  sync: async () => ({ tokens: 0, tokensPerS: 0, idleMs: Infinity }),
  batch: async () => ({ slices: 0, tokens: 0, tokensPerS: 0 }),
  isDemanded: async () => false,
  lastSpeed: async () => undefined,
};

/** Without Redis there are none. */
const NO_QUEUES: Adapters['queueControl'] = {
  state: away,
  withdraw: async function* () {
    yield await away();
  },
  countDead: away,
  listDead: away,
  findDead: away,
  removeDead: away,
};

/** Keys in this process' memory. */
export class MemoryApiKeys implements KeyStore {
  readonly keys = new Map<string, StoredKey>();
  #version = 0;

  async add(key: StoredKey): Promise<void> {
    this.#version += 1;
    this.keys.set(key.id, key);
  }

  async remove(id: string, seen: string): Promise<boolean> {
    if (seen !== String(this.#version)) return false;
    this.#version += 1;
    this.keys.delete(id);
    return true;
  }

  async list(): Promise<KeyListing> {
    return { keys: [...this.keys.values()], unreadable: [] };
  }

  async version(): Promise<string> {
    return String(this.#version);
  }
}

/** Nobody counts. */
const ROOM_FOR_ALL: Adapters['jobRoom'] = {
  hold: async () => ({ outcome: 'held', rows: Number.MAX_SAFE_INTEGER, bytes: Number.MAX_SAFE_INTEGER }),
  keep: async () => undefined,
  freeRows: async () => undefined,
  free: async () => undefined,
  held: async () => ({ sizes: new Map(), uploads: new Set(), ready: true }),
  settle: async () => undefined,
};

export type Answer = (call: TaskCall) => TaskOutcome | Promise<TaskOutcome>;

/** What stands behind the HTTP edge, in memory: a dispatcher that does at once what a worker would, and stores. */
export class FakeFleet {
  readonly documents = new MemoryDocumentStore();
  readonly blobs = new MemoryBlobStore();
  readonly jobs = new IngestJobs(this.blobs);
  readonly apiKeys = new MemoryApiKeys();
  readonly calls: TaskCall[] = [];
  readonly submissions: TaskSubmission[] = [];
  workers: WorkerAnnouncement[] = [announcement()];
  pools: { pool: string; models: WorkerAnnouncement['models'] }[] = [];
  demand: string[] = [];
  /** Stands in for the worker where a test says so. */
  answer: Answer | undefined;
  /** Slices are done as soon as they are submitted. */
  ingestsAtOnce = true;
  countPassages = async (version: CorpusVersion): Promise<number> => (await this.documents.countDocuments(version)) * 2;
  submitFault: RerankError | undefined;
  pingFault: Error | undefined;
  #seq = 0;

  readonly adapters: Adapters = {
    documentStore: this.documents,
    candidateStore: { countPassages: (version) => this.countPassages(version) },
    fleet: {
      live: async () => this.workers,
      remembered: async () => this.pools,
      markDemand: async (pool) => void this.demand.push(pool),
    },
    jobs: this.jobs,
    blobs: this.blobs,
    syncTokens: {
      reserve: async ({ tokens }) => ({ outcome: 'admitted', outstanding: tokens, resetMs: 0, retryMs: 0 }),
      release: async () => undefined,
    },
    demand: NO_DEMAND,
    jobRoom: ROOM_FOR_ALL,
    fileRoom: ROOM_FOR_ALL,
    batchLedger: NO_LEDGER,
    batchEvents: { listen: () => () => undefined },
    queue: { enqueue: away, discard: async () => false, depth: away, peek: away, isPaused: away, pause: away, resume: away },
    queueControl: NO_QUEUES,
    boardQueue: () => {
      throw new RerankError('queue_unavailable', 'There is no Redis here.');
    },
    board: { answerUntaken: away, forget: away },
    bodies: { drop: away },
    apiKeys: this.apiKeys,
    now: () => Date.now(),
    sequence: { next: async (count = 1) => (this.#seq += count) - count + 1 },
    pingQueue: async () => {
      if (this.pingFault !== undefined) throw this.pingFault;
    },
    dispatcher: {
      call: async <Body extends TaskBody>(call: TaskCall<Body>) => {
        this.calls.push(call);
        return (await (this.answer ?? ((task) => this.work(task)))(call)) as never;
      },
      submit: async (task) => {
        if (this.submitFault !== undefined) throw this.submitFault;
        this.submissions.push(task);
        if (this.ingestsAtOnce && task.body.kind === 'ingest') await this.ingest(task.tenant, task.body.job_id, task.body.slice);
      },
    },
  };

  /** Does a slice, as a worker would. */
  async ingest(tenant: string, jobId: string, slice: number): Promise<void> {
    const record = await this.jobs.record(tenant, jobId);
    const rows = record === undefined ? undefined : await this.jobs.slice(record, slice);
    if (record === undefined || rows === undefined) throw new Error('no such slice');
    await this.documents.putDocuments(
      record,
      rows.rows.map((row) => row.document),
    );
    await this.jobs.finishSlice(record, slice, { kind: 'ingest', succeeded: rows.rows.length, errors: [] });
  }

  /** Does a task as a worker would. */
  async work({ tenant, body }: TaskCall): Promise<TaskOutcome> {
    switch (body.kind) {
      case 'rerank': {
        // The longer a document, the better: an order that tests can see.
        const scores = body.documents.map((text, index) => ({ index, logit: text.length - 10, tokens: text.length, truncated: false }));
        const results = scores
          .filter(({ logit }) => logit >= (body.min_logit ?? -Infinity))
          .sort((a, b) => b.logit - a.logit || a.index - b.index)
          .slice(0, body.top_n);
        const tokens = scores.reduce((sum, score) => sum + score.tokens, 0);
        return {
          kind: 'rerank',
          model: body.stages.at(-1)!.model.name,
          results,
          prompt_tokens: tokens,
          timings_ms: { queue: 1, tokenize: 2, score: 3 },
        };
      }
      case 'search': {
        const { documents } = await this.documents.scanDocuments(body.version);
        const results = documents.slice(0, body.top_n).map((document, position) => ({
          document_id: document.id,
          passage: { index: 0, start: 0, end: document.text.length, text: document.text },
          first_stage: { score: 1 / (position + 1), rank: position + 1 },
          ...(document.title === undefined ? {} : { title: document.title }),
          ...(body.stages === undefined ? {} : { score: { logit: 2 - position, tokens: 7, truncated: position === 0 } }),
        }));
        const model = body.stages === undefined ? {} : { model: body.stages.at(-1)!.model.name };
        return { kind: 'search', ...model, results, prompt_tokens: 7 * results.length, timings_ms: { queue: 1, retrieve: 2 } };
      }
      case 'corpus':
        return await this.#change({ tenant, corpus: body.corpus }, body.change);
      case 'ingest':
      case 'batch':
        throw new Error('nobody waits for a slice');
    }
  }

  async #change(ref: CorpusRef, change: CorpusTask['change']): Promise<TaskOutcome> {
    if (change.op === 'put') {
      const created = await this.documents.createCorpus(corpusRecord(ref));
      const record = (await this.documents.findCorpus(ref))!;
      const { stages = record.settings.stages ?? [] } = change.settings;
      await this.documents.updateCorpus({
        ...record,
        settings: { ...corpusRecord(ref).settings, ...(stages.length === 0 ? {} : { stages }) },
      });
      return { kind: 'corpus', created };
    }
    if (change.op === 'delete') {
      await this.documents.deleteCorpus(ref);
      return { kind: 'corpus' };
    }
    if (change.op !== 'delete_documents') throw new Error(`This fake makes no reindex: ${change.op}`);
    return { kind: 'corpus', deleted: await this.documents.deleteDocuments(ref, change.ids ?? []) };
  }
}

export function apiConfig(env: Readonly<Record<string, string>> = {}): Config {
  return loadConfig({ PORT: '0', ...env });
}
