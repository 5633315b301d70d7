import {
  MAX_JSON_REQUESTS,
  type BatchJobBody,
  type JobBody,
  type JobEstimateBody,
  type JobListBody,
  type JobResultLine,
} from '@rerank-fleet/core/contracts';
import { ANSWERS } from './answer-schemas.js';
import { parseJson } from './client-errors.js';
import { sleep } from './deadline.js';
import { serverEvents } from './event-stream.js';
import type { ApiRequest, CallOptions, HttpTransport, Upload } from './http-transport.js';
import type {
  JobPageOptions,
  JobResultsOptions,
  JobUploadOptions,
  ListJobsOptions,
  SourceOf,
  RetryJobOptions,
  StreamOptions,
  SubmitJobOptions,
  SubmitJobParameters,
} from './job-parameters.js';
import { hasEnded } from './job-wait.js';
import { bytesBody, ndjsonBody } from './ndjson-body.js';
import { resumed } from './resumed-stream.js';
import { iterate, type Source } from './request-body.js';
import { wholeLines } from './text-lines.js';
import { segment } from './url-segment.js';

/** Between two readings of a stream that the service ended before the job had ended. */
const REREAD_MS = 500;
const OUTAGE_MS = 30_000;

/** The calls of jobs, as RerankClient documents them. */
export class JobCalls {
  readonly #transport: HttpTransport;

  constructor(transport: HttpTransport) {
    this.#transport = transport;
  }

  get(id: string, options: CallOptions): Promise<JobBody> {
    return this.#transport.send({ method: 'GET', path: jobPath(id), answer: ANSWERS.job, idempotent: true }, options);
  }

  submit(
    parameters: SubmitJobParameters,
    { idempotencyKey = newKey(), onUpload, timeoutMs = Infinity, signal }: SubmitJobOptions,
  ): Promise<BatchJobBody> {
    const headers = { 'idempotency-key': idempotencyKey };
    const { body, idempotent } = payloadOf(parameters, onUpload);
    const request: ApiRequest<typeof ANSWERS.batchJob> = {
      method: 'POST',
      path: '/v1/jobs',
      headers,
      ...body,
      answer: ANSWERS.batchJob,
      idempotent,
    };
    return this.#transport.send(request, { timeoutMs, signal });
  }

  estimate(parameters: SubmitJobParameters, { onUpload, timeoutMs = Infinity, signal }: JobUploadOptions): Promise<JobEstimateBody> {
    const { body, idempotent } = payloadOf(parameters, onUpload);
    return this.#transport.send(
      { method: 'POST', path: '/v1/jobs/estimate', ...body, answer: ANSWERS.jobEstimate, idempotent },
      { timeoutMs, signal },
    );
  }

  cancel(id: string, options: CallOptions): Promise<BatchJobBody> {
    return this.#transport.send({ method: 'POST', path: `${jobPath(id)}/cancel`, answer: ANSWERS.batchJob, idempotent: true }, options);
  }

  retry(id: string, { idempotencyKey = newKey(), ...options }: RetryJobOptions): Promise<BatchJobBody> {
    const headers = { 'idempotency-key': idempotencyKey };
    return this.#transport.send(
      { method: 'POST', path: `${jobPath(id)}/retry`, headers, answer: ANSWERS.batchJob, idempotent: true },
      options,
    );
  }

  async delete(id: string, options: CallOptions): Promise<void> {
    await this.#transport.send({ method: 'DELETE', path: jobPath(id), answer: ANSWERS.nothing, idempotent: false }, options);
  }

  page({ pageSize, after, kind, status, ...options }: JobPageOptions): Promise<JobListBody> {
    const path = `/v1/jobs${queryOf({ limit: pageSize, after, kind, status })}`;
    return this.#transport.send({ method: 'GET', path, answer: ANSWERS.jobList, idempotent: true }, options);
  }

  async *list(options: ListJobsOptions): AsyncGenerator<JobBody, void, undefined> {
    for (let after: string | undefined; ;) {
      const page = await this.page({ ...options, after });
      yield* page.data;
      if (!page.has_more || page.next === undefined) return;
      after = page.next;
    }
  }

  results(
    id: string,
    { after, order, status, follow = false, ...options }: JobResultsOptions,
  ): AsyncGenerator<JobResultLine, void, undefined> {
    const { signal, ...resume } = this.#resumption(options);
    let cursor = after;
    const open = async function* (this: JobCalls, connected: () => void): AsyncGenerator<JobResultLine, void, undefined> {
      for (;;) {
        // Only a reading that began after the end has seen everything.
        const isLast = !follow || hasEnded(await this.get(id, { signal }));
        connected();
        const path = `${jobPath(id)}/results${queryOf({ after: cursor, order, status, follow: follow ? 'true' : undefined })}`;
        for await (const line of this.#resultLines(path, { signal, connected })) {
          cursor = line.cursor;
          yield line;
        }
        if (isLast) return;
        await sleep(REREAD_MS, signal);
      }
    };
    return resumed((connected) => open.call(this, connected), { signal, ...resume });
  }

  events(id: string, options: StreamOptions): AsyncGenerator<BatchJobBody, void, undefined> {
    const { signal, ...resume } = this.#resumption(options);
    const path = `${jobPath(id)}/events`;
    let lastId: string | undefined;
    const open = async function* (this: JobCalls, connected: () => void): AsyncGenerator<BatchJobBody, void, undefined> {
      for (;;) {
        const headers = { accept: 'text/event-stream', ...(lastId === undefined ? {} : { 'last-event-id': lastId }) };
        const chunks = await this.#transport.stream({ path, headers }, signal);
        connected();
        for await (const event of serverEvents(wholeLines(chunks))) {
          const { data: job } = ANSWERS.batchJob.safeParse(parseJson(event.data));
          if (job === undefined) continue;
          yield job;
          lastId = event.id;
          if (hasEnded(job)) return;
        }
        const job = await this.get(id, { signal });
        if (job.kind === 'batch' && hasEnded(job)) {
          yield job;
          return;
        }
        await sleep(REREAD_MS, signal);
      }
    };
    return resumed((connected) => open.call(this, connected), { signal, ...resume });
  }

  async *#resultLines(
    path: string,
    { signal, connected }: { readonly signal: AbortSignal; readonly connected: () => void },
  ): AsyncGenerator<JobResultLine, void, undefined> {
    const chunks = await this.#transport.stream({ path, headers: { accept: 'application/x-ndjson' } }, signal);
    connected();
    for await (const text of wholeLines(chunks, () => this.#transport.cutOff())) {
      if (text === '') continue;
      const line = parseJson(text);
      const parsed = ANSWERS.jobResultLine.safeParse(line);
      if (!parsed.success) throw this.#transport.unexpected(path, { why: parsed.error.issues[0]?.message ?? 'no result line' });
      yield line as JobResultLine;
    }
  }

  #resumption({ signal = new AbortController().signal, outageMs = OUTAGE_MS }: StreamOptions) {
    return { signal, outageMs, onRetry: this.#transport.noteRetry.bind(this.#transport) };
  }
}

function jobPath(id: string): string {
  return `/v1/jobs/${segment(id)}`;
}

function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)] as const]));
  return given.length === 0 ? '' : `?${new URLSearchParams(Object.fromEntries(given)).toString()}`;
}

interface Payload {
  readonly body: { readonly json: unknown } | { readonly upload: Upload };
  /** Sending it again sends the same. */
  readonly idempotent: boolean;
}

function payloadOf({ requests, ndjson, ...options }: SubmitJobParameters, onUpload: JobUploadOptions['onUpload']): Payload {
  if (Array.isArray(requests) && requests.length <= MAX_JSON_REQUESTS)
    return { body: { json: { ...options, requests } }, idempotent: true };
  const head = JSON.stringify({ job: options });
  const hasHead = head !== '{"job":{}}';
  const source: SourceOf<unknown> | undefined = requests ?? ndjson;
  const replayable = typeof source === 'function' || Array.isArray(source);
  const open: Upload['open'] = (signal) => {
    if (ndjson !== undefined)
      return bytesBody(hasHead ? `${head}\n` : '', sourceOf(ndjson), { signal, onBytes: (bytes) => onUpload?.({ bytes }) });
    const rows = sourceOf(requests);
    return ndjsonBody(hasHead ? startingWith({ job: options }, rows) : rows, { signal, onUpload });
  };
  return { body: { upload: { open, replayable } }, idempotent: replayable };
}

function sourceOf<T>(source: SourceOf<T>): Source<T> {
  return typeof source === 'function' ? source() : source;
}

async function* startingWith(first: unknown, rest: Source<unknown>): AsyncGenerator<unknown, void, undefined> {
  yield first;
  const iterator = iterate(rest);
  try {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  } finally {
    await iterator.return?.();
  }
}

/** By what browsers have in pages without TLS as well. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
