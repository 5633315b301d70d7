import type {
  corpusSettingsSchema,
  CorpusBody,
  deleteDocumentsRequestSchema,
  DocumentBody,
  healthSchema,
  BatchJobBody,
  IngestJobBody,
  JobBody,
  JobEstimateBody,
  JobListBody,
  JobResultLine,
  ModelListBody,
  rerankRequestSchema,
  RerankResponse,
  searchRequestSchema,
  SearchResponse,
  storedDocumentSchema,
  WhoamiBody,
  WorkerBody,
} from '@rerank-fleet/core/contracts';
import type { z } from 'zod';
import { AdminCalls } from './admin-calls.js';
import { ANSWERS } from './answer-schemas.js';
import { HttpTransport, type CallOptions, type RetryNotice } from './http-transport.js';
import { JobCalls } from './job-calls.js';
import { ReindexCalls } from './reindex-calls.js';
import { resumed } from './resumed-stream.js';
import type {
  JobPageOptions,
  JobResultsOptions,
  JobUploadOptions,
  ListJobsOptions,
  RetryJobOptions,
  StreamOptions,
  SubmitJobOptions,
  SubmitJobParameters,
} from './job-parameters.js';
import { pollJob, type WaitOptions } from './job-wait.js';
import { ndjsonBody, type UploadProgress } from './ndjson-body.js';
import { segment } from './url-segment.js';

/** Bodies as a caller writes them: what has a default may be left out. */
export type SearchParameters = z.input<typeof searchRequestSchema>;
export type RerankParameters = z.input<typeof rerankRequestSchema>;
export type CorpusSettingsParameters = z.input<typeof corpusSettingsSchema>;
export type DeleteDocumentsParameters = z.input<typeof deleteDocumentsRequestSchema>;
export type StoredDocumentBody = z.output<typeof storedDocumentSchema>;
export type HealthBody = z.output<typeof healthSchema>;
export type ModelBody = ModelListBody['data'][number];

/** Documents of any number: an array, or a source that is read while it is sent. */
export type DocumentSource = readonly DocumentBody[] | Iterable<DocumentBody> | AsyncIterable<DocumentBody> | ReadableStream<DocumentBody>;

export interface RerankClientOptions {
  /** Address of the API, such as `http://127.0.0.1:8080`; may have a path. */
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Longest time of a call, retries included, in milliseconds. @defaultValue 65,000: a little more than the service's own deadline */
  readonly timeoutMs?: number | undefined;
  /** Most retries of a call. @defaultValue 2 */
  readonly retries?: number | undefined;
  /** Called before each wait for a retry. */
  readonly onRetry?: ((notice: RetryNotice) => void) | undefined;
}

export interface IngestOptions extends WaitOptions<IngestJobBody> {
  /** Resolve when the job has ended, not when it is accepted. @defaultValue false */
  readonly wait?: boolean | undefined;
  /** Called with what was handed to the network so far. */
  readonly onUpload?: ((progress: UploadProgress) => void) | undefined;
  /** Called once with the accepted job. */
  readonly onAccepted?: ((job: IngestJobBody) => void) | undefined;
}

export interface ListDocumentsOptions extends StreamOptions {
  /** Most documents of a page. @defaultValue 1,000, the most that the service gives */
  readonly pageSize?: number | undefined;
  /** `next` of the page to go on behind. @defaultValue from the beginning */
  readonly after?: string | undefined;
}

export interface DocumentPageBody {
  readonly documents: readonly StoredDocumentBody[];
  /** Absent on the last. */
  readonly next?: string;
}

const MOST_OF_A_PAGE = 1_000;
const OUTAGE_MS = 30_000;

/** Time that an answer may take beyond the deadline that the service was given. */
const ANSWER_GRACE_MS = 5_000;

/**
 * Typed client of the REST API; runs in Node and in browsers.
 *
 * Every method throws RerankApiError (the service refused), RerankConnectionError (no service), RerankTimeoutError (`timeoutMs` passed) or
 * the reason of the caller's signal. Answers may hold more fields than their types name.
 */
export class RerankClient {
  readonly baseUrl: string;
  readonly reindexes: ReindexCalls;
  readonly admin: AdminCalls;
  readonly #transport: HttpTransport;
  readonly #jobs: JobCalls;

  constructor({ baseUrl, apiKey, fetch = globalThis.fetch, timeoutMs = 65_000, retries = 2, onRetry }: RerankClientOptions) {
    this.baseUrl = baseUrl.replace(/\/+$/, '');
    // Browsers refuse a fetch that is called as a method of another object.
    const call: typeof globalThis.fetch = (input, init) => fetch(input, init);
    this.#transport = new HttpTransport({ baseUrl: this.baseUrl, apiKey, fetch: call, timeoutMs, retries, onRetry });
    this.#jobs = new JobCalls(this.#transport);
    this.reindexes = new ReindexCalls(this.#transport);
    this.admin = new AdminCalls(this.#transport);
  }

  /** Orders documents by their relevance to a query. */
  rerank(body: RerankParameters, options: CallOptions = {}): Promise<RerankResponse> {
    return this.#transport.send(
      { method: 'POST', path: '/v1/rerank', json: body, answer: ANSWERS.rerank, idempotent: true },
      within(body, options),
    );
  }

  /** Finds passages of a corpus and orders them by their relevance. */
  search(body: SearchParameters, options: CallOptions = {}): Promise<SearchResponse> {
    return this.#transport.send(
      { method: 'POST', path: '/v1/search', json: body, answer: ANSWERS.search, idempotent: true },
      within(body, options),
    );
  }

  /** Makes a corpus, or changes the settings of one. */
  async putCorpus(name: string, settings: CorpusSettingsParameters = {}, options: CallOptions = {}): Promise<CorpusBody> {
    return this.#transport.send(
      { method: 'PUT', path: corpusPath(name), json: settings, answer: ANSWERS.corpus, idempotent: true },
      options,
    );
  }

  async getCorpus(name: string, options: CallOptions = {}): Promise<CorpusBody> {
    return this.#transport.send({ method: 'GET', path: corpusPath(name), answer: ANSWERS.corpus, idempotent: true }, options);
  }

  async listCorpora(options: CallOptions = {}): Promise<CorpusBody[]> {
    const list = await this.#transport.send({ method: 'GET', path: '/v1/corpora', answer: ANSWERS.corpora, idempotent: true }, options);
    return list.data;
  }

  /** Deletes a corpus with all its documents. */
  async deleteCorpus(name: string, options: CallOptions = {}): Promise<void> {
    // Not retried where it may have been done: the second delete would answer that there is no such corpus. So for documents.
    await this.#transport.send({ method: 'DELETE', path: corpusPath(name), answer: ANSWERS.nothing, idempotent: false }, options);
  }

  /**
   * Stores documents, sent as NDJSON while they are read. A document that is not valid does not stop the others: the job names its line,
   * from 1. The time of the upload is not bounded unless `timeoutMs` is given; it bounds the upload and the wait each.
   *
   * An array may be sent again after a 429 or 503; other sources are read once. In browsers the documents are gathered first.
   */
  async ingest(corpus: string, documents: DocumentSource, options: IngestOptions = {}): Promise<IngestJobBody> {
    const { wait = false, onUpload, onAccepted, signal, timeoutMs = Infinity } = options;
    const job = await this.#transport.send(
      {
        method: 'POST',
        path: `${corpusPath(corpus)}/documents`,
        upload: { open: (stop) => ndjsonBody(documents, { onUpload, signal: stop }), replayable: Array.isArray(documents) },
        answer: ANSWERS.ingestJob,
        idempotent: false,
      },
      { signal, timeoutMs },
    );
    onAccepted?.(job);
    if (!wait) return job;
    const path = `/v1/jobs/${segment(job.id)}`;
    return pollJob(
      (stop) => this.#transport.send({ method: 'GET', path, answer: ANSWERS.ingestJob, idempotent: true }, { signal: stop }),
      options,
    );
  }

  /**
   * All documents as they are stored, for keys with the scope `ingest`. Goes on where the service was away for a while. A document that is there from the beginning to
   * the end comes once; of what is written meanwhile some may come.
   */
  async *listDocuments(corpus: string, options: ListDocumentsOptions = {}): AsyncGenerator<StoredDocumentBody, void, undefined> {
    for await (const { documents } of this.documentPages(corpus, options)) yield* documents;
  }

  /** The same by pages: who keeps `next` of a page can go on behind it another time. */
  documentPages(corpus: string, options: ListDocumentsOptions = {}): AsyncGenerator<DocumentPageBody, void, undefined> {
    const { signal = new AbortController().signal, outageMs = OUTAGE_MS, pageSize = MOST_OF_A_PAGE } = options;
    const transport = this.#transport;
    let { after } = options;
    const open = async function* (connected: () => void): AsyncGenerator<DocumentPageBody, void, undefined> {
      for (;;) {
        const cursor = after === undefined ? '' : `&after=${segment(after)}`;
        const path = `${corpusPath(corpus)}/documents?limit=${pageSize}${cursor}`;
        const page = await transport.send({ method: 'GET', path, answer: ANSWERS.documents, idempotent: true }, { signal });
        connected();
        after = page.has_more ? page.next : undefined;
        yield { documents: page.data, ...(after === undefined ? {} : { next: after }) };
        if (after === undefined) return;
      }
    };
    return resumed(open, { signal, outageMs, onRetry: (notice) => transport.noteRetry(notice) });
  }

  async getDocument(corpus: string, id: string, options: CallOptions = {}): Promise<StoredDocumentBody> {
    return this.#transport.send({ method: 'GET', path: documentPath(corpus, id), answer: ANSWERS.document, idempotent: true }, options);
  }

  async deleteDocument(corpus: string, id: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.send({ method: 'DELETE', path: documentPath(corpus, id), answer: ANSWERS.nothing, idempotent: false }, options);
  }

  /** Deletes documents by their ids or by a filter; resolves with how many there were. */
  async deleteDocuments(corpus: string, body: DeleteDocumentsParameters, options: CallOptions = {}): Promise<number> {
    const path = `${corpusPath(corpus)}/documents/delete`;
    const answer = await this.#transport.send({ method: 'POST', path, json: body, answer: ANSWERS.deleted, idempotent: false }, options);
    return answer.deleted;
  }

  /** A batch of searches and reranks, or an upload of documents. */
  getJob(id: string, options: CallOptions = {}): Promise<JobBody> {
    return this.#jobs.get(id, options);
  }

  /**
   * Resolves when the job has ended, however it did. Outlasts a restart of the service of up to 30 s.
   * `timeoutMs` bounds the whole wait; there is no bound by default.
   */
  waitForJob(id: string, options: WaitOptions = {}): Promise<JobBody> {
    return pollJob((signal) => this.getJob(id, { signal }), options);
  }

  /**
   * Submits searches and reranks to be done later; resolves when the job is durable. Up to 1,000 requests of an array go as one JSON body, everything else is sent as
   * NDJSON while it is read. The time is not bounded unless `timeoutMs` is given. In browsers the lines are gathered first.
   */
  submitJob(parameters: SubmitJobParameters, options: SubmitJobOptions = {}): Promise<BatchJobBody> {
    return this.#jobs.submit(parameters, options);
  }

  /** What a job would cost; checks every request, and nothing is kept. */
  estimateJob(parameters: SubmitJobParameters, options: JobUploadOptions = {}): Promise<JobEstimateBody> {
    return this.#jobs.estimate(parameters, options);
  }

  /** All jobs, newest first, read page by page. */
  listJobs(options: ListJobsOptions = {}): AsyncGenerator<JobBody, void, undefined> {
    return this.#jobs.list(options);
  }

  /** One page of the same. */
  jobPage(options: JobPageOptions = {}): Promise<JobListBody> {
    return this.#jobs.page(options);
  }

  /**
   * Result lines, also while the job runs. Goes on behind the last line where the connection was cut or the service was away; each line comes once.
   * To go on another time pass the `cursor` of the last line as `after`, with the same `order` and `status`.
   */
  jobResults(id: string, options: JobResultsOptions = {}): AsyncGenerator<JobResultLine, void, undefined> {
    return this.#jobs.results(id, options);
  }

  /** The job as it stands now, and again as it changes, until it has ended. Outlasts cut connections. Of jobs of kind `batch`. */
  jobEvents(id: string, options: StreamOptions = {}): AsyncGenerator<BatchJobBody, void, undefined> {
    return this.#jobs.events(id, options);
  }

  /** Ends a job before its time. Resolves when that is durable; requests in hand may end a moment later. */
  cancelJob(id: string, options: CallOptions = {}): Promise<BatchJobBody> {
    return this.#jobs.cancel(id, options);
  }

  /** A new job of the errored requests of one that has ended. */
  retryJob(id: string, options: RetryJobOptions = {}): Promise<BatchJobBody> {
    return this.#jobs.retry(id, options);
  }

  /** Removes a job that has ended, with its requests and results. */
  deleteJob(id: string, options: CallOptions = {}): Promise<void> {
    return this.#jobs.delete(id, options);
  }

  async listModels(options: CallOptions = {}): Promise<ModelBody[]> {
    const list = await this.#transport.send({ method: 'GET', path: '/v1/models', answer: ANSWERS.models, idempotent: true }, options);
    return list.data;
  }

  /** Live workers, for keys with the scope `operator`. */
  async listWorkers(options: CallOptions = {}): Promise<WorkerBody[]> {
    const list = await this.#transport.send(
      { method: 'GET', path: '/v1/admin/workers', answer: ANSWERS.workers, idempotent: true },
      options,
    );
    return list.data;
  }

  /** The tenant of the client's key, and what the key allows; for every key. */
  whoami(options: CallOptions = {}): Promise<WhoamiBody> {
    return this.#transport.send({ method: 'GET', path: '/v1/whoami', answer: ANSWERS.whoami, idempotent: true }, options);
  }

  /** Readiness of the API and of what it needs; resolves with `status: "error"` when something is missing. */
  health(options: CallOptions = {}): Promise<HealthBody> {
    return this.#transport.send(
      { method: 'GET', path: '/health/ready', answer: ANSWERS.health, idempotent: true, alsoAnswers: 503 },
      options,
    );
  }
}

/** A call with a deadline of its own on the service ends a little later here, so that the service's own answer arrives. */
function within(body: { readonly timeout_ms?: number | undefined }, options: CallOptions): CallOptions {
  if (options.timeoutMs !== undefined || body.timeout_ms === undefined) return options;
  return { ...options, timeoutMs: body.timeout_ms + ANSWER_GRACE_MS };
}

function corpusPath(name: string): string {
  return `/v1/corpora/${segment(name)}`;
}

function documentPath(corpus: string, id: string): string {
  return `${corpusPath(corpus)}/documents/${segment(id)}`;
}
