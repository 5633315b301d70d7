import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import {
  corpusSchema,
  corpusSettingsSchema,
  documentSchema,
  healthSchema,
  ingestJobSchema,
  modelListSchema,
  rerankResponseSchema,
  searchRequestSchema,
  searchResponseSchema,
  workerListSchema,
  type CorpusBody,
  type DocumentBody,
  type IngestJobBody,
  type StageBody,
} from '@rerank-fleet/core/contracts';
import { ERROR_CATALOGUE, type ErrorCode } from '@rerank-fleet/core/errors';

/** What the next request that matches is answered with instead. */
export interface Fault {
  /** Method and path as they begin, such as `POST /v1/search`. */
  readonly on: string;
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Ends the connection instead of answering. */
  readonly hangUp?: boolean;
  /** Never answers. */
  readonly silent?: boolean;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/**
 * A service that answers by the contract from memory: its first stage is the order of ingestion, its reranker counts the query's words.
 * Every answer is held to the schema of the contract, so that a change of the contract fails here first.
 */
export class ContractServer {
  readonly faults: Fault[] = [];
  readonly requests: SeenRequest[] = [];
  readonly corpora = new Map<string, Map<string, DocumentBody & { id: string }>>();
  readonly stages = new Map<string, readonly StageBody[]>();
  readonly jobs = new Map<string, { job: IngestJobBody; readsLeft: number }>();
  /** Reads of a job before it has ended. */
  jobReads = 2;
  /** Says `failed` for every job. */
  failJobs = false;
  url = '';
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '' } = request;
    const fault = this.#takeFault(`${method} ${path}`);
    if (fault?.hangUp === true) return void request.socket.destroy();
    if (fault?.silent === true) return;
    if (fault !== undefined) {
      this.requests.push({ method, path, headers: request.headers, body: '' });
      response.writeHead(fault.status ?? 500, { 'content-type': 'application/problem+json', ...fault.headers }).end(fault.body ?? '');
      request.resume();
      return;
    }
    let body: string;
    try {
      body = await readText(request);
    } catch {
      return;
    }
    this.requests.push({ method, path, headers: request.headers, body });
    const [status, answer] = this.#answer(method, path, body);
    response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': `req-${this.requests.length}` });
    response.end(answer === undefined ? '' : JSON.stringify(answer));
  }

  #takeFault(line: string): Fault | undefined {
    const at = this.faults.findIndex((fault) => line.startsWith(fault.on));
    return at < 0 ? undefined : this.faults.splice(at, 1)[0];
  }

  #answer(method: string, path: string, body: string): [number, unknown?] {
    const segments = path.split('/').slice(1).map(decodeURIComponent);
    const name = segments[2] ?? '';
    switch (`${method} ${segments.map((segment, at) => (at === 2 || at === 4 ? '*' : segment)).join('/')}`) {
      case 'GET health/ready':
        return [200, healthSchema.parse({ status: 'ok', checks: { redis: { status: 'ok' }, candidate_store: { status: 'ok' } } })];
      case 'GET health/*':
        return [200, healthSchema.parse({ status: 'ok', checks: {} })];
      case 'GET v1/models':
        return [200, modelListSchema.parse({ object: 'list', data: [MODEL] })];
      case 'GET v1/admin/*':
        return [200, workerListSchema.parse({ object: 'list', data: [WORKER] })];
      case 'GET v1/corpora':
        return [200, { object: 'list', data: [...this.corpora.keys()].map((corpus) => this.#corpus(corpus)) }];
      case 'PUT v1/corpora/*':
        if (!this.corpora.has(name)) this.corpora.set(name, new Map());
        this.stages.set(name, corpusSettingsSchema.parse(JSON.parse(body)).stages ?? this.stages.get(name) ?? []);
        return [201, this.#corpus(name)];
      case 'GET v1/corpora/*':
        return this.corpora.has(name) ? [200, this.#corpus(name)] : problem('corpus_not_found', `There is no corpus "${name}".`);
      case 'DELETE v1/corpora/*':
        return this.corpora.delete(name) ? [204] : problem('corpus_not_found', `There is no corpus "${name}".`);
      case 'POST v1/corpora/*/documents':
        return this.#ingest(name, body);
      case 'GET v1/corpora/*/documents/*':
      case 'DELETE v1/corpora/*/documents/*':
        return this.#document(method, name, segments[4] ?? '');
      case 'GET v1/jobs/*':
        return this.#job(name);
      case 'POST v1/rerank':
        return this.#rerank(JSON.parse(body) as RerankBody);
      case 'POST v1/search':
        return this.#search(body);
      default:
        return problem('route_not_found', `There is no route ${method} ${path}.`);
    }
  }

  #corpus(name: string): CorpusBody {
    const documents = this.corpora.get(name)?.size ?? 0;
    const stages = this.stages.get(name) ?? [];
    const more = stages.length === 0 ? {} : { stages };
    const settings = { embedding_model: 'bge-small-en-v1.5', chunking: {}, bm25: {}, fields: {}, ...more };
    const versions = [{ version: 1, state: 'promoted', embedding_model: 'bge-small-en-v1.5', embedding_sha256: 'ab', created_at: 1 }];
    return corpusSchema.parse({ name, settings, version: 1, versions, documents, passages: documents, created_at: 1 });
  }

  #document(method: string, corpus: string, id: string): [number, unknown?] {
    const documents = this.corpora.get(corpus);
    const document = documents?.get(id);
    if (document === undefined) return problem('document_not_found', `There is no document "${id}".`);
    if (method === 'GET') return [200, document];
    documents?.delete(id);
    return [204];
  }

  #ingest(corpus: string, body: string): [number, unknown?] {
    const documents = this.corpora.get(corpus);
    if (documents === undefined) return problem('corpus_not_found', `There is no corpus "${corpus}".`);
    const errors: IngestJobBody['errors'] = [];
    let succeeded = 0;
    for (const [index, line] of body.trimEnd().split('\n').entries()) {
      const parsed = documentSchema.safeParse(JSON.parse(line));
      if (!parsed.success || parsed.data.text === 'refuse me') {
        errors.push({ line: index + 1, code: 'invalid_request', detail: parsed.error?.issues[0]?.message ?? 'The store refused it.' });
        continue;
      }
      const id = parsed.data.id ?? `auto-${documents.size}`;
      documents.set(id, { ...parsed.data, id });
      succeeded += 1;
    }
    const id = `job_${this.jobs.size + 1}`;
    const counts = { total: succeeded + errors.length, processing: 0, succeeded, errored: errors.length };
    const job = ingestJobSchema.parse({
      ...{ id, object: 'job', kind: 'ingest', corpus, status: this.failJobs ? 'failed' : 'completed', request_counts: counts, errors },
      ...{ created_at: 1, completed_at: 2, urls: { self: `/v1/jobs/${id}` } },
    });
    this.jobs.set(id, { job, readsLeft: this.jobReads });
    return [202, running(job)];
  }

  #job(id: string): [number, unknown?] {
    const entry = this.jobs.get(id);
    if (entry === undefined) return problem('job_not_found', `There is no job "${id}".`);
    entry.readsLeft -= 1;
    return [200, entry.readsLeft > 0 ? running(entry.job) : entry.job];
  }

  #rerank(request: RerankBody): [number, unknown?] {
    const results = request.documents
      .map((document, index) => ({ index, text: typeof document === 'string' ? document : document.text }))
      .map(({ index, text }) => ({ index, ...score(request.query, text) }))
      .filter((result) => result.relevance_score >= (request.min_score ?? 0))
      .sort((a, b) => b.logit - a.logit || a.index - b.index)
      .slice(0, request.top_n);
    const meta = { api_version: { version: '2' }, billed_units: { search_units: 1 }, tokens: { input_tokens: 9 } };
    return [200, rerankResponseSchema.parse({ id: 'rerank-1', model: MODEL.id, results, usage: USAGE, meta })];
  }

  #search(body: string): [number, unknown?] {
    const parsed = searchRequestSchema.safeParse(JSON.parse(body));
    if (!parsed.success) return problem('invalid_request', parsed.error.issues[0]?.message ?? '');
    const request = parsed.data;
    const documents = this.corpora.get(request.corpus);
    if (documents === undefined) return problem('corpus_not_found', `There is no corpus "${request.corpus}".`);
    const found = [...documents.values()].map((document, index) => ({
      document_id: document.id,
      ...(document.title === undefined ? {} : { title: document.title }),
      passage: { index: 0, start: 0, end: document.text.length, text: document.text },
      ...(request.rerank ? score(request.query, document.text) : {}),
      first_stage: { score: 1 / (60 + index + 1), rank: index + 1 },
    }));
    const ranked = request.rerank ? found.sort((a, b) => (b.logit ?? 0) - (a.logit ?? 0)) : found;
    const results = ranked.filter((result) => (result.relevance_score ?? 1) >= (request.min_score ?? 0)).slice(0, request.top_n);
    const model = request.rerank ? { model: MODEL.id } : {};
    const timings = { queue: 1, retrieve: 2, score: 3, total: 6 };
    return [
      200,
      searchResponseSchema.parse({
        id: 's',
        corpus: request.corpus,
        version: 1,
        ...model,
        results,
        usage: USAGE,
        truncated: [],
        timings_ms: timings,
      }),
    ];
  }
}

interface RerankBody {
  readonly query: string;
  readonly documents: readonly (string | { readonly text: string })[];
  readonly top_n?: number;
  readonly min_score?: number;
}

const MODEL = {
  ...{ id: 'ms-marco-MiniLM-L-12-v2', object: 'model', created: 1, owned_by: 'rerank-fleet', kind: 'cross-encoder', pool: 'default' },
  ...{ max_length: 512, precision: 'int8', sha256: 'cd', live_workers: 1, default: true },
};
const WORKER = {
  ...{ id: 'host-1-a', pool: 'default', state: 'ready', device: 'cpu', models: [], started_at: 1, heartbeat_age_ms: 2_000 },
  engine: { max_batch_tokens: 1_024, sessions: 2, intra_op_threads: 1, tuned: true },
};
const USAGE = { prompt_tokens: 9, total_tokens: 9 };

function score(query: string, text: string): { logit: number; relevance_score: number } {
  const words = query.toLowerCase().split(' ');
  const logit = words.filter((word) => text.toLowerCase().includes(word)).length * 2 - words.length;
  return { logit, relevance_score: 1 / (1 + Math.exp(-logit)) };
}

function running(job: IngestJobBody): IngestJobBody {
  const { completed_at: _completedAt, ...rest } = job;
  const half = Math.floor(job.request_counts.total / 2);
  const counts = { total: job.request_counts.total, processing: job.request_counts.total - half, succeeded: half, errored: 0 };
  return { ...rest, status: 'in_progress', errors: [], request_counts: counts };
}

export function problem(code: ErrorCode, detail: string): [number, unknown] {
  const { status, title } = ERROR_CATALOGUE[code];
  return [status, { type: `/docs/errors#${code}`, title, status, detail, message: detail, code, instance: 'req-x' }];
}
