import { RerankError } from '@rerank-fleet/core/errors';

/** Bounds that a call can meet; labels of the metric that counts refusals. */
export const REFUSAL_REASONS = [
  'tenant_tokens',
  'call_tokens',
  'deadline',
  'tenant_job_rows',
  'tenant_job_bytes',
  'tenant_files',
  'tenant_file_bytes',
  'job_rows',
  'job_bytes',
  'bodies_in_hand',
] as const;
export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** A call that is turned away before any work: it would fit later, or never. */
export class AdmissionError extends RerankError {
  readonly reason: RefusalReason;

  private constructor(reason: RefusalReason, code: 'overloaded' | 'payload_too_large', detail: string, retryAfterS?: number) {
    super(code, detail, retryAfterS === undefined ? {} : { retryAfterS });
    this.reason = reason;
  }

  /** @param retryMs after which it is expected to fit */
  static later(reason: RefusalReason, detail: string, retryMs: number): AdmissionError {
    return new AdmissionError(reason, 'overloaded', detail, Math.max(1, Math.ceil(retryMs / 1_000)));
  }

  static never(reason: RefusalReason, detail: string): AdmissionError {
    return new AdmissionError(reason, 'payload_too_large', detail);
  }
}
