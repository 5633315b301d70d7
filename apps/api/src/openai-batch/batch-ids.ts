import type { OutputKind } from '@rerank-fleet/core/jobs';

const HEX = /^[0-9a-f]{32}$/;
const PREFIXES = { output: 'file-out-', error: 'file-err-' } as const satisfies Record<OutputKind, string>;
const KINDS = ['output', 'error'] as const;

const digitsOf = (job: string): string => job.slice('job_'.length);
const jobOf = (prefix: string, id: string): string | undefined =>
  id.startsWith(prefix) && HEX.test(id.slice(prefix.length)) ? `job_${id.slice(prefix.length)}` : undefined;

/** A batch and its job have one id, each with a prefix of its own. */
export const batchIdOf = (job: string): string => `batch_${digitsOf(job)}`;
export const jobIdOf = (batch: string): string | undefined => jobOf('batch_', batch);

/** The files that a batch ends with have its id too. */
export const outputIdOf = (job: string, kind: OutputKind): string => PREFIXES[kind] + digitsOf(job);

export function outputOf(file: string): { readonly job: string; readonly kind: OutputKind } | undefined {
  for (const kind of KINDS) {
    const job = jobOf(PREFIXES[kind], file);
    if (job !== undefined) return { job, kind };
  }
  return undefined;
}

export const requestIdOf = (job: string, row: number): string => `batch_req_${digitsOf(job)}_${row}`;
