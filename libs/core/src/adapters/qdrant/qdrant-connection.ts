import { QdrantClient, type Schemas } from '@qdrant/js-client-rest';
import { z } from 'zod';
import { RerankError } from '../../errors/index.js';
import type { FieldType, SparseVector } from '../../domain/index.js';
import type { DenseSearchParams, collectionSettings } from './index-options.js';
import { pointBatches } from './point-batches.js';
import { isStatus, toStoreError } from './qdrant-errors.js';
import type { QdrantFilter } from './qdrant-filter.js';
import type { QdrantPoint } from './qdrant-point.js';

export interface QdrantOptions {
  /** `http://host:6333`; a path is kept as a prefix. */
  readonly url: string;
  readonly apiKey?: string;
  /** Milliseconds for one request. */
  readonly timeoutMs: number;
}

export interface UpsertCondition {
  /** Points that are there and do not match are left alone. */
  readonly onlyOver?: QdrantFilter;
  /** Points that are there are left alone. */
  readonly insertOnly?: boolean;
}

export interface ScoredPayload {
  readonly score: number;
  readonly payload: unknown;
}

const scoredPoints = z.object({ points: z.array(z.object({ score: z.number(), payload: z.unknown() })) });
const payloads = z.array(z.object({ id: z.union([z.string(), z.number()]), payload: z.unknown() }));
const collectionInfo = z.object({ payload_schema: z.record(z.string(), z.object({ data_type: z.string() })) });
const page = z.object({ points: payloads, next_page_offset: z.union([z.string(), z.number()]).nullish() });

/** One prefetch or whole query of the Query API. */
export interface VectorQuery {
  readonly query: readonly number[] | { readonly indices: readonly number[]; readonly values: readonly number[] };
  readonly using: 'dense' | 'bm25';
  readonly filter?: QdrantFilter;
  readonly params?: DenseSearchParams;
  readonly limit: number;
}

type WholeQuery =
  | VectorQuery
  | { readonly prefetch: readonly VectorQuery[]; readonly query: { readonly rrf: { readonly k: number } }; readonly limit: number };

/**
 * The requests that the stores make, with the vendor's errors and answers checked at this door.
 *
 * @throws RerankError `candidate_store_unavailable`, `storage_full`, `corpus_not_found` (no such collection)
 */
export class QdrantConnection {
  private readonly client: QdrantClient;

  constructor({ url, apiKey, timeoutMs }: QdrantOptions) {
    // The client forgets the path of its `url`: it has to come as the prefix.
    const { origin, pathname } = new URL(url);
    const prefix = pathname.replace(/\/+$/, '');
    this.client = new QdrantClient({
      url: origin,
      timeout: timeoutMs,
      checkCompatibility: false,
      ...(prefix === '' ? {} : { prefix }),
      ...(apiKey === undefined ? {} : { apiKey }),
    });
  }

  /** Resolves to false if it is there already, whatever its settings. Without settings: a collection without vectors. */
  async createCollection(name: string, settings?: ReturnType<typeof collectionSettings>): Promise<boolean> {
    try {
      await this.client.createCollection(name, settings ?? { vectors: {} });
      return true;
    } catch (error) {
      if (isStatus(error, 409)) return false;
      throw toStoreError(error);
    }
  }

  async dropCollection(name: string): Promise<void> {
    await checked(this.client.deleteCollection(name));
  }

  async createIndexes(collection: string, fields: Readonly<Record<string, FieldType>>): Promise<void> {
    for (const [field_name, field_schema] of Object.entries(fields)) {
      await completed(this.client.createPayloadIndex(collection, { wait: true, field_name, field_schema }));
    }
  }

  /** Fields that have an index, with its type. */
  async indexedFields(collection: string): Promise<ReadonlyMap<string, string>> {
    const { payload_schema: schema } = parsed(collectionInfo, await checked(this.client.getCollection(collection)));
    return new Map(Object.entries(schema).map(([field, { data_type: type }]) => [field, type]));
  }

  /** Durable when it resolves; in several requests where one would be too large, so readers may see a part of it before. */
  async upsert(collection: string, points: Iterable<QdrantPoint>, { onlyOver, insertOnly }: UpsertCondition): Promise<void> {
    const condition = {
      ...(onlyOver === undefined ? {} : { update_filter: onlyOver as Schemas['Filter'] }),
      ...(insertOnly === true ? { update_mode: 'insert_only' as const } : {}),
    };
    for (const batch of pointBatches(points)) {
      await completed(this.client.upsert(collection, { wait: true, points: batch as Schemas['PointStruct'][], ...condition }));
    }
  }

  /** Sets fields of the payloads of all points that pass. */
  async setPayloadWhere(collection: string, filter: QdrantFilter, payload: Readonly<Record<string, unknown>>): Promise<void> {
    await completed(this.client.setPayload(collection, { wait: true, payload: { ...payload }, filter: filter as Schemas['Filter'] }));
  }

  async deleteWhere(collection: string, filter: QdrantFilter): Promise<void> {
    await completed(this.client.delete(collection, { wait: true, filter: filter as Schemas['Filter'] }));
  }

  async deletePoints(collection: string, points: readonly string[]): Promise<void> {
    await completed(this.client.delete(collection, { wait: true, points: [...points] }));
  }

  /** Payloads of those that are there, by id. */
  async payloadsById(collection: string, ids: readonly string[], fields?: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    if (ids.length === 0) return new Map();
    const found = await checked(
      this.client.retrieve(collection, { ids: [...ids], with_payload: fields === undefined ? true : [...fields] }),
    );
    return new Map(parsed(payloads, found).map(({ id, payload }) => [String(id), withoutBigInts(payload)]));
  }

  async scroll(
    collection: string,
    options: { readonly filter: QdrantFilter; readonly limit: number; readonly after?: string; readonly fields?: readonly string[] },
  ): Promise<{ readonly payloads: readonly unknown[]; readonly next?: string }> {
    const { filter, limit, after, fields } = options;
    const body = {
      filter: filter as Schemas['Filter'],
      limit,
      with_payload: fields === undefined ? true : [...fields],
      ...(after === undefined ? {} : { offset: after }),
    };
    const { points, next_page_offset: next } = parsed(page, await checked(this.client.scroll(collection, body)));
    return {
      payloads: points.map(({ payload }) => withoutBigInts(payload)),
      ...(next === undefined || next === null ? {} : { next: String(next) }),
    };
  }

  async count(collection: string, filter: QdrantFilter): Promise<number> {
    return (await checked(this.client.count(collection, { exact: true, filter: filter as Schemas['Filter'] }))).count;
  }

  async query(collection: string, query: WholeQuery): Promise<readonly ScoredPayload[]> {
    const answer = await checked(this.client.query(collection, { ...(query as Schemas['QueryRequest']), with_payload: true }));
    return parsed(scoredPoints, answer).points.map(({ score, payload }) => ({ score, payload: withoutBigInts(payload) }));
  }

  /** Points the alias at the collection, in one atomic step. Resolves to false if there is no such collection. */
  async pointAlias(alias_name: string, collection_name: string): Promise<boolean> {
    try {
      await this.client.updateCollectionAliases({
        actions: [{ delete_alias: { alias_name } }, { create_alias: { collection_name, alias_name } }],
      });
      return true;
    } catch (error) {
      if (isStatus(error, 404)) return false;
      throw toStoreError(error);
    }
  }
}

export function sparseNumbers({ indices, values }: SparseVector): {
  readonly indices: readonly number[];
  readonly values: readonly number[];
} {
  return { indices: [...indices], values: [...values] };
}

/** Reads what a store of ours wrote. */
export function parsed<T>(schema: z.ZodType<T>, answer: unknown): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  const detail =
    'Qdrant answered with what this release does not understand. Check that the server is 1.18 or later and holds collections of this service.';
  throw new RerankError('candidate_store_unavailable', detail, { cause: result.error });
}

async function checked<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw toStoreError(error);
  }
}

/** A `wait_timeout` or a mere acknowledgement is not durable. */
async function completed(update: Promise<{ readonly status: string }>): Promise<void> {
  const { status } = await checked(update);
  if (status !== 'completed') {
    throw new RerankError('candidate_store_unavailable', `The Qdrant server did not finish a write (${status}). Try again.`);
  }
}

/** The client turns integers beyond 2^53 into BigInt, which JSON cannot hold; clients sent them as JSON numbers. */
function withoutBigInts(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(withoutBigInts);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withoutBigInts(inner)]));
}
