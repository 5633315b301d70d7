import type { Readable } from 'node:stream';
import { LRUCache } from 'lru-cache';
import type { z } from 'zod';
import type { RequestCounts, StoredResultLine } from '../../contracts/index.js';
import { InvariantError, RerankError } from '../../errors/index.js';
import type { BlobStore } from '../../ports/index.js';
import { isJobId } from '../job-id.js';
import * as layout from './batch-layout.js';
import {
  batchDoneSchema,
  batchRecordSchema,
  sliceHeaderSchema,
  sliceIndexSchema,
  webhookStateSchema,
  type BatchDone,
  type BatchRecord,
  type SliceEntry,
  type SliceHeader,
  type WebhookState,
} from './batch-record.js';
import { BatchUpload } from './batch-upload.js';
import { UnreadableBlobError, undefinedIfUnreadable } from './unreadable-blob-error.js';

export interface BatchRow {
  readonly row: number;
  /** As it was sent and checked at submission, without the job's defaults. */
  readonly request: Readonly<Record<string, unknown>>;
}

/** Slice indexes kept in memory; one of a job of a hundred thousand rows is a few hundred kilobytes. */
const INDEXES_KEPT = 16;
const RECORDS_KEPT = 1_000;
/** A header line is far shorter. */
const HEADER_BYTES = 1_024;

/**
 * Batch jobs as blobs (see `batch-layout.ts`): the truth, from which all that Redis knows can be told again.
 *
 * @throws UnreadableBlobError from whatever reads; RerankError `model_unavailable` for what a newer version wrote, `blob_store_unavailable`, `storage_full`
 */
export class BatchJobs {
  readonly #blobs: BlobStore;
  readonly #records = new LRUCache<string, BatchRecord>({ max: RECORDS_KEPT });
  readonly #indexes = new LRUCache<string, readonly SliceEntry[]>({ max: INDEXES_KEPT });

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  begin(tenant: string): BatchUpload {
    return new BatchUpload(this.#blobs, tenant);
  }

  /**
   * Makes the job visible. False if a job of this id is there already. What is written before `job.json` is found by the sweep when this process dies here.
   */
  async create(record: BatchRecord): Promise<boolean> {
    const { tenant, id } = record;
    await this.#blobs.put(layout.openKey(tenant, id), '');
    await this.#blobs.put(layout.indexKey(tenant, id), '');
    return await this.#blobs.create(layout.recordKey(tenant, id), JSON.stringify(record));
  }

  /** Undefined where the tenant has no job of this id. */
  async record(tenant: string, id: string): Promise<BatchRecord | undefined> {
    if (!isJobId(id)) return undefined;
    const key = layout.recordKey(tenant, id);
    const known = this.#records.get(key);
    if (known !== undefined) return known;
    const record = parseJson(key, batchRecordSchema, await this.#blobs.get(key));
    if (record !== undefined) this.#records.set(key, record);
    return record;
  }

  /** The same for those who look through many: one that cannot be read keeps no other from being seen. */
  async readableRecord(tenant: string, id: string): Promise<BatchRecord | undefined> {
    return await this.record(tenant, id).catch(undefinedIfUnreadable);
  }

  async done({ tenant, id }: Pick<BatchRecord, 'tenant' | 'id'>): Promise<BatchDone | undefined> {
    const key = layout.doneKey(tenant, id);
    return parseJson(key, batchDoneSchema, await this.#blobs.get(key));
  }

  /** Notes durably that somebody cancelled the job. */
  async markCancelled({ tenant, id }: Pick<BatchRecord, 'tenant' | 'id'>): Promise<void> {
    await this.#blobs.create(layout.cancelKey(tenant, id), JSON.stringify({ cancelled_ms: Date.now() }));
  }

  async isCancelled({ tenant, id }: Pick<BatchRecord, 'tenant' | 'id'>): Promise<boolean> {
    return (await this.#blobs.size(layout.cancelKey(tenant, id))) !== undefined;
  }

  /** Writes how the job ended, once; the first to do so is right, unless what it wrote cannot be read. Returns what is true from now on. */
  async end(record: BatchRecord, done: BatchDone): Promise<BatchDone> {
    const key = layout.doneKey(record.tenant, record.id);
    if (await this.#blobs.create(key, JSON.stringify(done))) return done;
    const kept = await this.done(record).catch(undefinedIfUnreadable);
    if (kept === undefined) await this.#blobs.put(key, JSON.stringify(done));
    return kept ?? done;
  }

  /** Every slice of the job, in order. */
  async slices(record: BatchRecord): Promise<readonly SliceEntry[]> {
    const known = this.#indexes.get(record.upload);
    if (known !== undefined) return known;
    const key = layout.slicesKey(record.upload);
    const index = parseJson(key, sliceIndexSchema, await this.#blobs.get(key));
    if (index?.length !== record.slices) throw new UnreadableBlobError(key);
    this.#indexes.set(record.upload, index);
    return index;
  }

  async rows(record: BatchRecord, slice: number): Promise<readonly BatchRow[]> {
    const entry = (await this.slices(record))[slice];
    if (entry === undefined) throw new InvariantError('The job has no such slice.');
    const key = layout.requestsKey(record.upload);
    const text = await this.#text(key, { start: entry.start, end: entry.end });
    const rows = linesOf(text ?? '').map((line) => jsonOf(key, line) as BatchRow);
    if (rows.length !== entry.rows) throw new UnreadableBlobError(key);
    return rows;
  }

  /** Write-once. False if the slice has its results already: those count. */
  async writeResults(record: BatchRecord, header: SliceHeader, lines: readonly StoredResultLine[]): Promise<boolean> {
    const body = [JSON.stringify(header), ...lines.map((line) => JSON.stringify(line)), ''].join('\n');
    return await this.#blobs.create(layout.resultKey(record.tenant, record.id, header.slice), body);
  }

  /** Counts of a slice's results; undefined if there are none. */
  async sliceHeader(record: BatchRecord, slice: number): Promise<SliceHeader | undefined> {
    const key = layout.resultKey(record.tenant, record.id, slice);
    const text = await this.#text(key, { start: 0, end: HEADER_BYTES });
    return text === undefined ? undefined : parseJson(key, sliceHeaderSchema, text.slice(0, text.indexOf('\n')));
  }

  /** Result lines of a slice; undefined if there are none. */
  async sliceResults(record: BatchRecord, slice: number): Promise<readonly StoredResultLine[] | undefined> {
    const text = await this.#text(layout.resultKey(record.tenant, record.id, slice));
    return text === undefined
      ? undefined
      : linesOf(text)
          .slice(1)
          .map((line) => JSON.parse(line) as StoredResultLine);
  }

  /** What a slice's results are made of: a line with its header, then its lines. Undefined if there are none. */
  async resultStream({ tenant, id }: BatchRecord, slice: number): Promise<Readable | undefined> {
    return await this.#blobs.stream(layout.resultKey(tenant, id, slice));
  }

  /** Slices that have results. */
  async *slicesWithResults({ tenant, id }: BatchRecord): AsyncGenerator<number, void, undefined> {
    for await (const key of this.#blobs.list(layout.resultsFolder(tenant, id)))
      yield Number.parseInt(key.slice(key.lastIndexOf('/') + 1), 10);
  }

  /** Result lines of the rows that were refused at submission, in their order, as bytes from `start` on. */
  async rejections(record: BatchRecord, start = 0): Promise<Readable | undefined> {
    return record.rejected === 0 ? undefined : await this.#blobs.stream(layout.rejectedKey(record.upload), { start });
  }

  /** How far its webhook has come; undefined before the first attempt. */
  async webhook({ tenant, id }: Pick<BatchRecord, 'tenant' | 'id'>): Promise<WebhookState | undefined> {
    const key = layout.webhookKey(tenant, id);
    return parseJson(key, webhookStateSchema, await this.#blobs.get(key));
  }

  async noteWebhook({ tenant, id }: Pick<BatchRecord, 'tenant' | 'id'>, state: WebhookState): Promise<void> {
    await this.#blobs.put(layout.webhookKey(tenant, id), JSON.stringify(state));
  }

  /** Jobs that have not ended, as far as is known: what a sweep looks at. */
  async *open(): AsyncGenerator<{ readonly tenant: string; readonly id: string }, void, undefined> {
    for await (const key of this.#blobs.list(layout.OPEN_JOBS)) {
      const [, tenant, id] = key.split('/');
      if (tenant !== undefined && id !== undefined && isJobId(id)) yield { tenant, id };
    }
  }

  /** Whether somebody still has to bring the job to its end, or to tell of it. */
  async isOpen({ tenant, id }: Pick<BatchRecord, 'tenant' | 'id'>): Promise<boolean> {
    return (await this.#blobs.size(layout.openKey(tenant, id))) !== undefined;
  }

  /** The entry of a job that never came to be, or that has ended. */
  async forgetOpen({ tenant, id }: { readonly tenant: string; readonly id: string }): Promise<void> {
    await this.#blobs.delete(layout.openKey(tenant, id));
  }

  /** What `create` wrote of a job before it failed. */
  async forgetStillborn({ tenant, id }: { readonly tenant: string; readonly id: string }): Promise<void> {
    await this.#blobs.delete(layout.indexKey(tenant, id));
    await this.forgetOpen({ tenant, id });
  }

  /** Ids of a tenant's jobs, newest first; `after` is the id where an earlier listing ended. */
  async *list(tenant: string, after?: string): AsyncGenerator<string, void, undefined> {
    const options = after === undefined ? {} : { after: layout.indexKey(tenant, after) };
    for await (const key of this.#blobs.list(layout.indexFolder(tenant), options)) yield layout.jobOfIndexKey(key);
  }

  /** Whether the job is still there: records are remembered, and another process may have removed it. */
  async isThere({ tenant, id }: Pick<BatchRecord, 'tenant' | 'id'>): Promise<boolean> {
    const key = layout.recordKey(tenant, id);
    const isThere = (await this.#blobs.size(key)) !== undefined;
    if (!isThere) this.#records.delete(key);
    return isThere;
  }

  /**
   * Removes a job with its rows and results. Its idempotency key goes first: it must not stand for a job that is no more. The index entry goes last: by it a
   * removal that was cut off is found.
   */
  async remove(record: BatchRecord): Promise<void> {
    const { tenant, id, idempotency } = record;
    if (idempotency !== undefined) await this.#blobs.delete(layout.idempotencyKey(tenant, idempotency));
    await this.#blobs.deleteUnder(record.upload);
    await this.#blobs.delete(layout.recordKey(tenant, id));
    this.#records.delete(layout.recordKey(tenant, id));
    this.#indexes.delete(record.upload);
    await this.#blobs.deleteUnder(layout.jobFolder(tenant, id));
    await this.#blobs.delete(layout.openKey(tenant, id));
    await this.#blobs.delete(layout.indexKey(tenant, id));
  }

  async #text(key: string, range?: { readonly start: number; readonly end: number }): Promise<string | undefined> {
    const stream = await this.#blobs.stream(key, range);
    if (stream === undefined) return undefined;
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString('utf8');
  }
}

/** Counts of a job whose rows have all ended, or will not be run any more. */
export function finalCounts(
  record: Pick<BatchRecord, 'total' | 'rejected'>,
  counts: { readonly succeeded: number; readonly errored: number; readonly cancelled: number; readonly expired: number },
  rest: BatchDone['rest'],
): RequestCounts {
  const errored = record.rejected + counts.errored;
  const left = record.total - counts.succeeded - errored - counts.cancelled - counts.expired;
  return {
    total: record.total,
    processing: 0,
    succeeded: counts.succeeded,
    errored: errored + (rest === 'errored' ? left : 0),
    cancelled: counts.cancelled + (rest === 'cancelled' ? left : 0),
    expired: counts.expired + (rest === 'expired' ? left : 0),
  };
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

const VERSION = 1;

function parseJson<Schema extends z.ZodType>(key: string, schema: Schema, text: Buffer | string | undefined): z.output<Schema> | undefined {
  if (text === undefined) return undefined;
  const value = jsonOf(key, text.toString('utf8'));
  const { data, error } = schema.safeParse(value);
  if (error === undefined) return data;
  // During a rollout another process knows it.
  if (versionOf(value) > VERSION)
    throw new RerankError('model_unavailable', 'A newer version has written this job; try again.', { retryAfterS: 5 });
  throw new UnreadableBlobError(key, { cause: error });
}

function versionOf(value: unknown): number {
  return typeof value === 'object' && value !== null && 'v' in value && typeof value.v === 'number' ? value.v : 0;
}

function jsonOf(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UnreadableBlobError(key, { cause: error });
  }
}
