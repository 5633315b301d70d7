import type { JobBody, JobListBody } from '@rerank-fleet/core/contracts';
import type { JobListQuery } from './read-queries.js';

export interface JobSource {
  /** Ids, newest first. */
  ids(after?: string): AsyncGenerator<string, void, undefined>;
  /** Undefined for one that is not to be shown. */
  find(id: string): Promise<JobBody | undefined>;
}

/** Looked through for one page: where a filter finds little, a page may hold less than was asked for, and another may follow. */
const MOST_LOOKED_THROUGH = 1_000;
const AT_ONCE = 16;

/** A page of the jobs of all sources, newest first. */
export async function listJobs(sources: readonly JobSource[], { limit, after, status }: JobListQuery): Promise<JobListBody> {
  const data: JobBody[] = [];
  let next = after;
  let looked = 0;
  const names = newestFirst(sources, after);
  try {
    for (;;) {
      const room = Math.min(AT_ONCE, limit - data.length, MOST_LOOKED_THROUGH - looked);
      const batch = await takeUpTo(names, Math.max(room, 1));
      if (batch.length === 0) return { object: 'list', data, has_more: false };
      if (room <= 0) return { object: 'list', data, has_more: true, ...(next === undefined ? {} : { next }) };
      const found = await Promise.all(batch.map(({ source, id }) => source.find(id)));
      data.push(...found.filter((job) => job !== undefined).filter((job) => status === undefined || job.status === status));
      looked += batch.length;
      next = batch.at(-1)?.id;
    }
  } finally {
    await names.return();
  }
}

interface JobName {
  readonly source: JobSource;
  readonly id: string;
}

/** Ids ascend with time, in all sources alike. */
async function* newestFirst(sources: readonly JobSource[], after: string | undefined): AsyncGenerator<JobName, void, undefined> {
  const heads = sources.map((source) => ({ source, ids: source.ids(after), id: '' }));
  const advance = async (head: (typeof heads)[number]): Promise<void> => {
    const { done, value } = await head.ids.next();
    head.id = done === true ? '' : value;
  };
  try {
    await Promise.all(heads.map(advance));
    for (;;) {
      const newest = heads.reduce<(typeof heads)[number] | undefined>(
        (best, head) => (head.id > (best?.id ?? '') ? head : best),
        undefined,
      );
      if (newest === undefined) return;
      yield { source: newest.source, id: newest.id };
      await advance(newest);
    }
  } finally {
    await Promise.all(heads.map(({ ids }) => ids.return()));
  }
}

async function takeUpTo<T>(items: AsyncGenerator<T, void, undefined>, count: number): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const { done, value } = await items.next();
    if (done === true) break;
    taken.push(value);
  }
  return taken;
}
