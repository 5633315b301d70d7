import type { JobOptions } from '@rerank-fleet/core/contracts';
import type { BatchRecord } from '@rerank-fleet/core/jobs';
import type { IncomingRow, RowForm } from './submitted-row.js';

export interface IdempotentUse {
  readonly key: string;
  /** SHA-256 of what was sent; asked for when the rows have been read. */
  readonly bodySha256: () => string;
}

/** A job as somebody wants it, whatever the dialect. */
export interface JobDraft {
  readonly options: JobOptions;
  readonly rows: AsyncIterable<IncomingRow> | Iterable<IncomingRow>;
  readonly form: RowForm;
  readonly dialect: BatchRecord['dialect'];
  readonly idempotency?: IdempotentUse | undefined;
  readonly retryOf?: string;
  readonly openai?: NonNullable<BatchRecord['openai']>;
  /** Of a job that was promised under this id before its rows were read: of calls with one id the first to be durable is right. */
  readonly promised?: Pick<BatchRecord, 'id' | 'expires_ms'>;
}
