import type { JobResultLine } from '@rerank-fleet/client';
import { formatCount, plural } from '../terminal/progress.js';

/** A request that did not succeed, and where it stands. */
export interface BatchFailure {
  /** Line of the source. */
  readonly line: number;
  readonly custom_id?: string;
  readonly status: JobResultLine['status'];
  readonly detail?: string;
}

/** Failures that are named; the rest is counted. */
const NAMED_FAILURES = 10;

/** Collects requests that did not succeed. */
export class BatchFailures {
  readonly named: BatchFailure[] = [];
  #count = 0;

  add({ row, custom_id: customId, status, error }: Omit<JobResultLine, 'cursor'>): void {
    if (status === 'succeeded') return;
    this.#count += 1;
    // What ended with its job is told by the job.
    if (status !== 'errored' || this.named.length >= NAMED_FAILURES) return;
    this.named.push({
      line: row,
      ...(customId === undefined ? {} : { custom_id: customId }),
      status,
      ...(error === undefined ? {} : { detail: `${error.message} (${error.code})` }),
    });
  }

  /** @param total of the job, as lines may have been read by an earlier process */
  describe(source: string, total = this.#count): string {
    const rest = total - this.named.length;
    const lines = this.named.map(
      ({ line, custom_id: id, detail = '' }) => `\n  ${source}:${line}${id === undefined ? '' : ` (${id})`}: ${detail}`,
    );
    const more = rest > 0 && this.named.length > 0 ? `\n  and ${formatCount(rest)} more` : '';
    return `${plural(total, 'request')} did not succeed${lines.length === 0 ? '.' : `:${lines.join('')}${more}`}`;
  }
}
