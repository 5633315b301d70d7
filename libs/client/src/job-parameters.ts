import type {
  BatchJobStatus,
  JobBody,
  jobOptionsSchema,
  jobRerankRowSchema,
  jobSearchRowSchema,
  RowStatus,
} from '@rerank-fleet/core/contracts';
import type { z } from 'zod';
import type { CallOptions } from './http-transport.js';
import type { Source } from './request-body.js';

type WithDefaults<Row> = Partial<Omit<Row, 'custom_id'>> & { readonly custom_id: string };

/** A request of a job: a search, or a rerank where it has `documents`. What is left out is taken from the job's `defaults`. */
export type JobRequestParameters = WithDefaults<z.input<typeof jobSearchRowSchema>> | WithDefaults<z.input<typeof jobRerankRowSchema>>;

export type JobOptionsParameters = z.input<typeof jobOptionsSchema>;

/** Something that is read once; or a function that gives it anew, so that a cut upload can be sent again. */
export type SourceOf<T> = Source<T> | (() => Source<T>);

/**
 * A job with its requests: values of any number, or bytes of NDJSON as they are. Where they go as NDJSON and there are options, these go before them as a line of their
 * own, and rows count from 2.
 */
export type SubmitJobParameters = JobOptionsParameters &
  (
    | { readonly requests: SourceOf<JobRequestParameters>; readonly ndjson?: never }
    | { readonly ndjson: SourceOf<Uint8Array>; readonly requests?: never }
  );

export interface JobUploadOptions extends CallOptions {
  /** Called with the bytes that were handed to the network so far. Not called where the job goes as one JSON body. */
  readonly onUpload?: ((progress: { readonly bytes: number }) => void) | undefined;
}

export interface SubmitJobOptions extends JobUploadOptions {
  /** The same key with the same body is the same job. @defaultValue a new one, so that this call may be repeated */
  readonly idempotencyKey?: string | undefined;
}

export interface RetryJobOptions extends CallOptions {
  /** The same key is the same new job. @defaultValue a new one, so that this call may be repeated */
  readonly idempotencyKey?: string | undefined;
}

export interface ListJobsOptions extends CallOptions {
  /** Jobs of a page. @defaultValue the service's */
  readonly pageSize?: number | undefined;
  /** Batches only, or uploads of documents. */
  readonly kind?: JobBody['kind'] | undefined;
  readonly status?: BatchJobStatus | undefined;
}

export interface JobPageOptions extends ListJobsOptions {
  /** `next` of the page to go on behind. @defaultValue from the newest */
  readonly after?: string | undefined;
}

export interface StreamOptions {
  /** Ends the stream; it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time that the service may be away while the stream runs, in milliseconds. @defaultValue 30,000 */
  readonly outageMs?: number | undefined;
}

export interface JobResultsOptions extends StreamOptions {
  /** Cursor of the line behind which to begin. */
  readonly after?: string | undefined;
  /** As rows end, or as they were submitted. @defaultValue completion */
  readonly order?: 'completion' | 'submission' | undefined;
  /** Lines of this status only. */
  readonly status?: RowStatus | undefined;
  /** Go on until the job has ended. @defaultValue false: what there is now */
  readonly follow?: boolean | undefined;
}
