import type { JobBody } from '@rerank-fleet/core/contracts';

/** Rows of a job by how they ended, in the order in which they are shown. */
export function countsOf({ request_counts: counts }: JobBody): readonly (readonly [name: string, count: number])[] {
  const names = ['succeeded', 'errored', 'cancelled', 'expired', 'processing'] as const;
  return names.flatMap((name) => {
    const count = name in counts ? counts[name as keyof typeof counts] : undefined;
    return count === undefined ? [] : [[name, count] as const];
  });
}

/** Rows that have ended, however they did. */
export const doneOf = ({ request_counts: { total, processing } }: JobBody): number => total - processing;

/** What is said when the state changes, and not at each row. */
export function announcementOf(job: JobBody): string {
  const { total, succeeded, errored } = job.request_counts;
  const status = job.status.replaceAll('_', ' ');
  if (job.status === 'completed') return `The job is completed: ${succeeded} of ${total} succeeded, ${errored} errored.`;
  return `The job is ${status}.`;
}
