import type { Adapters } from '@rerank-fleet/api/adapters.module';
import type { TaskCall, TaskSubmission } from '@rerank-fleet/api/dispatch/task-dispatcher';
import { loadConfig, type Config } from '@rerank-fleet/core/config';
import type { CorpusTask, TaskBody, TaskOutcome, WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import type { CorpusRef, CorpusVersion } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { IngestJobs, type BatchLedger } from '@rerank-fleet/core/jobs';
import { announcement, corpusRecord } from './fleet-fixtures.js';
import { MemoryApiKeys, MemoryBlobStore, MemoryDocumentStore } from './memory-stores.js';

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
