import type { FieldError, RerankError } from '@rerank-fleet/core/errors';

/** A request of a job as it came in. */
export interface SubmittedRow {
  /** Line of the upload, or position in `requests`, from 1. */
  readonly row: number;
  /** As it is kept: JSON in one line. */
  readonly json: Buffer | string;
  readonly value: unknown;
}

/** A request that is none. */
export interface RefusedRow {
  readonly row: number;
  readonly customId?: string | undefined;
  readonly error: RerankError;
}

export type IncomingRow = SubmittedRow | RefusedRow;

export const isRefused = (row: object): row is RefusedRow => 'error' in row;

/** How rows are counted: lines of an upload, or positions in `requests`. */
export type RowForm = 'lines' | 'requests';

/** Faults of a row as those of the body that holds it. */
export function faultsInBody({ row, error }: RefusedRow, form: RowForm): readonly FieldError[] {
  if (form === 'lines') return [{ pointer: '', detail: `line ${row}: ${error.detail}` }];
  const pointer = `/requests/${row - 1}`;
  if (error.errors.length === 0) return [{ pointer, detail: error.detail }];
  return error.errors.map((fault) => ({ pointer: pointer + fault.pointer, detail: fault.detail }));
}
