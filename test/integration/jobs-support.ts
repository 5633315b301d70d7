import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { createApp } from '@rerank-fleet/api';
import { openAdapters, type OpenAdapters } from '@rerank-fleet/api/adapters.module';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { FleetRegistry } from '@rerank-fleet/core/adapters/redis/fleet-registry';
import { connectRedis } from '@rerank-fleet/core/adapters/redis/redis-connection';
import { loadConfig } from '@rerank-fleet/core/config';
import type { BatchJobBody, Problem, StoredResultLine, WorkerAnnouncement } from '@rerank-fleet/core/contracts';
import { BatchJobs, type BatchRecord } from '@rerank-fleet/core/jobs';
import type { BlobStore } from '@rerank-fleet/core/ports';
import { pino } from 'pino';
import { expect } from 'vitest';
import { announcement, corpusRecord } from '../support/fleet-fixtures.js';
import { MemoryDocumentStore } from '../support/memory-stores.js';
import { RedisServer } from '../support/redis-server.js';

/** What tests read of answers: a job, or a problem. */
export type JobsBody = Omit<BatchJobBody, 'status' | 'error'> & Omit<Problem, 'status'> & { readonly status: string | number };

export interface JobsAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: JobsBody;
}

export interface JobsApiOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly redis?: RedisServer;
  /** Of the blobs. */
  readonly directory?: string;
}

/** The API on a real Redis and real files, with a corpus `manuals` and a fleet that was there and sleeps: what is submitted waits. */
export class JobsApi {
  readonly url: string;
  /** Its state directory. */
  readonly directory: string;
  readonly blobs: BlobStore;
  readonly jobs: BatchJobs;
  readonly adapters: OpenAdapters;
  /** Lines of the log. */
  readonly log: string[];
  readonly #close: () => Promise<void>;

  private constructor(parts: { url: string; directory: string; adapters: OpenAdapters; log: string[]; close: () => Promise<void> }) {
    this.url = parts.url;
    this.directory = parts.directory;
    this.blobs = new FileBlobStore(join(parts.directory, 'blobs'));
    this.jobs = new BatchJobs(this.blobs);
    this.adapters = parts.adapters;
    this.log = parts.log;
    this.#close = parts.close;
  }

  static async start({ env = {}, redis, directory }: JobsApiOptions = {}): Promise<JobsApi> {
    const [server, root] = await Promise.all([redis ?? RedisServer.start(), directory ?? mkdtemp(join(tmpdir(), 'rerank-jobs-'))]);
    const config = loadConfig({ PORT: '0', REDIS_URL: server.url, RERANK_STATE_DIR: root, ...env });
    const log: string[] = [];
    const sink = new Writable({ write: (chunk: Buffer, _encoding, done) => done(void log.push(chunk.toString())) });
    const logger = pino({ level: 'debug' }, sink);
    await announce(server);
    const adapters = await openAdapters(config, logger);
    const app = await createApp({ config, logger, adapters: { ...adapters, documentStore: await corpora() } });
    await app.listen(0, '127.0.0.1');
    const close = async (): Promise<void> => {
      await app.close();
      await adapters.close();
      if (redis === undefined) await server.stop();
      if (directory === undefined) await rm(root, { recursive: true, force: true });
    };
    return new JobsApi({ url: await app.getUrl(), directory: root, adapters, log, close });
  }

  close(): Promise<void> {
    return this.#close();
  }

  sendJson(body: object, headers: Readonly<Record<string, string>> = {}, path = '/v1/jobs'): Promise<JobsAnswer> {
    return this.#send(JSON.stringify(body), { 'content-type': 'application/json', ...headers }, path);
  }

  sendLines(
    body: string | Uint8Array<ArrayBuffer>,
    headers: Readonly<Record<string, string>> = {},
    path = '/v1/jobs',
  ): Promise<JobsAnswer> {
    return this.#send(body, { 'content-type': 'application/x-ndjson', ...headers }, path);
  }

  async post(path: string, headers: Readonly<Record<string, string>> = {}): Promise<JobsAnswer> {
    return await this.#send(undefined, headers, path);
  }

  async #send(
    body: string | Uint8Array<ArrayBuffer> | undefined,
    headers: Readonly<Record<string, string>>,
    path: string,
  ): Promise<JobsAnswer> {
    const answer = await fetch(this.url + path, { method: 'POST', headers, ...(body === undefined ? {} : { body }) });
    return { status: answer.status, headers: answer.headers, body: (await answer.json()) as JobsAnswer['body'] };
  }

  /** The record of an accepted job. */
  async record({ body }: JobsAnswer, tenant = 'default'): Promise<BatchRecord> {
    const record = await this.jobs.record(tenant, body.id);
    if (record === undefined) throw new Error(`no job: ${JSON.stringify(body)}`);
    return record;
  }

  /** Requests of an accepted job, as they are kept. */
  async requests(record: BatchRecord): Promise<Readonly<Record<string, unknown>>[]> {
    const slices = await Promise.all([...(await this.jobs.slices(record)).keys()].map((slice) => this.jobs.rows(record, slice)));
    return slices.flat().map(({ request: kept }) => kept);
  }

  async rejections(record: BatchRecord): Promise<StoredResultLine[]> {
    const lines: Buffer[] = [];
    for await (const chunk of (await this.jobs.rejections(record)) ?? []) lines.push(chunk as Buffer);
    return linesOf(Buffer.concat(lines).toString()).map((line) => JSON.parse(line) as StoredResultLine);
  }

  /** Everything in the blob store. */
  async kept(): Promise<string[]> {
    const folders = ['uploads', 'jobs', 'job-index', 'open-jobs', 'idempotency'];
    return (await Promise.all(folders.map((folder) => this.keysUnder(folder)))).flat();
  }

  async keysUnder(folder: string): Promise<string[]> {
    const keys: string[] = [];
    for await (const key of this.blobs.list(folder)) keys.push(key);
    return keys;
  }
}

/** An upload that is sent piece by piece. Its connection may break. */
export function openUpload(url: string, headers: Readonly<Record<string, string>> = {}): ClientRequest {
  const sent = request(`${url}/v1/jobs`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson', ...headers } });
  return sent.on('error', () => undefined);
}

export async function answerOf(sent: ClientRequest): Promise<{ readonly status: number; readonly body: JobsBody }> {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, body: JSON.parse(await text(answer)) as JobsBody };
}

export const ndjson = (...lines: readonly (object | string)[]): string =>
  lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');

export const search = (custom_id: string, more: object = {}) => ({ custom_id, query: `question ${custom_id}`, corpus: 'manuals', ...more });
export const rerank = (custom_id: string, more: object = {}) => ({
  custom_id,
  query: `question ${custom_id}`,
  documents: ['one', 'two'],
  ...more,
});

/** Matches text that holds the part. */
export const textWith = (part: string): unknown => expect.stringContaining(part) as unknown;

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** A pool that is remembered after its worker has gone. */
export async function announce(server: RedisServer, worker: Partial<WorkerAnnouncement> = {}): Promise<void> {
  const redis = await connectRedis(server.url, { role: 'producer', name: 'test' });
  await new FleetRegistry(redis).announce(announcement(worker));
  redis.disconnect();
}

async function corpora(): Promise<MemoryDocumentStore> {
  const store = new MemoryDocumentStore();
  for (const tenant of ['default', 'acme', 'other']) await store.createCorpus(corpusRecord({ tenant, corpus: 'manuals' }));
  await store.createCorpus({ ...corpusRecord({ tenant: 'default', corpus: 'going' }), deleting: true });
  return store;
}
