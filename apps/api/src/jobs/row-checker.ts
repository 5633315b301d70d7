import { customIdSchema } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { UploadedRow } from '@rerank-fleet/core/jobs';
import { assertCoherentSearch, estimateRow, jobRowReader, type JobRequest } from '@rerank-fleet/core/requests';
import { refusalOf } from '../http/zod-faults.js';
import type { RowRoute, RowRoutes } from './row-routes.js';
import { SeenIds } from './seen-ids.js';
import { isRefused, type IncomingRow, type RefusedRow, type SubmittedRow } from './submitted-row.js';

export interface RowLimits {
  readonly maxDocuments: number;
  /** Of a row as JSON. */
  readonly maxBytes: number;
}

export type CheckedRow = UploadedRow | RefusedRow;

type Fields = Readonly<Record<string, unknown>>;

/** Checks the rows of one job, in their order. */
export class RowChecker {
  readonly #routes: RowRoutes;
  readonly #limits: RowLimits;
  readonly #read: ReturnType<typeof jobRowReader>;
  readonly #seen = new SeenIds();

  constructor(routes: RowRoutes, limits: RowLimits, defaults: Fields | undefined) {
    this.#routes = routes;
    this.#limits = limits;
    this.#read = jobRowReader(defaults);
  }

  /**
   * A promise only for the first row of its kind. Rows are a job's bread and butter: what is done here is done a hundred thousand times.
   *
   * @throws what `RowRoutes.of` throws
   */
  check(row: IncomingRow): CheckedRow | Promise<CheckedRow> {
    if (isRefused(row)) return row;
    const customId = customIdOf(row.value);
    try {
      const request = this.#readRow(row, customId);
      const route = this.#routes.of(request);
      return route instanceof Promise ? route.then((found) => checked(row, request, found)) : checked(row, request, route);
    } catch (error) {
      if (!(error instanceof RerankError)) throw error;
      return { row: row.row, customId, error };
    }
  }

  /** @throws RerankError that is the row's fault */
  #readRow({ row, json, value }: SubmittedRow, customId: string | undefined): JobRequest {
    if (!isObject(value)) throw new RerankError('invalid_request', 'The request must be an object.');
    const before = customId === undefined ? undefined : this.#seen.note(customId, row);
    if (before !== undefined) throw new RerankError('invalid_request', ...duplicate(before));
    if (Buffer.byteLength(json) > this.#limits.maxBytes)
      throw new RerankError('payload_too_large', `The request has more than ${this.#limits.maxBytes} bytes.`);
    const read = this.#read(value);
    if (!read.ok) throw refusalOf(read.error.issues, 'The request');
    if (read.row.kind === 'search') assertCoherentSearch(read.row.request);
    else this.#assertNotTooMany(read.row.request.documents.length);
    return read.row;
  }

  #assertNotTooMany(documents: number): void {
    const { maxDocuments } = this.#limits;
    if (documents <= maxDocuments) return;
    throw new RerankError('too_many_documents', `There are ${documents} documents; at most ${maxDocuments} are taken in one request.`, {
      errors: [{ pointer: '/documents', detail: `must hold at most ${maxDocuments}` }],
    });
  }
}

function checked({ row, json, value }: SubmittedRow, request: JobRequest, route: RowRoute): CheckedRow {
  if ('error' in route) return { row, customId: customIdOf(value), error: route.error };
  return { row, json, ...estimateRow(request, Buffer.byteLength(json), route.corpus) };
}

function duplicate(before: number): [string, { errors: { pointer: string; detail: string }[] }] {
  const detail = `is that of request ${before} too; ids are unique in a job`;
  return [`/custom_id: ${detail}.`, { errors: [{ pointer: '/custom_id', detail }] }];
}

/** The id that a row names, also a bad one, so that its sender finds it again. */
function customIdOf(value: unknown): string | undefined {
  const id = isObject(value) ? value['custom_id'] : undefined;
  return typeof id === 'string' && customIdSchema.safeParse(id).success ? id : undefined;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
