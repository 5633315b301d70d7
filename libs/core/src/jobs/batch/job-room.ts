/** What a job, or an upload that is to become one, takes. */
export interface JobSize {
  /** While it has not ended. */
  readonly rows: number;
  /** Until it is removed. */
  readonly bytes: number;
}

/** `held`: so much is left; `rows`, `bytes`: so much is missing; `unknown`: what is there is to be settled first. */
export interface HoldVerdict extends JobSize {
  readonly outcome: 'held' | 'rows' | 'bytes' | 'unknown';
}

/** What the working memory knows of a tenant's jobs and uploads. */
export interface HeldJobs {
  readonly sizes: ReadonlyMap<string, JobSize>;
  /** Ids of uploads that are under way. */
  readonly uploads: ReadonlySet<string>;
  /** Whether it is all that there is. */
  readonly ready: boolean;
}

export interface JobCorrections {
  /** Jobs without rows any more. */
  readonly ended: readonly string[];
  readonly gone: readonly string[];
  readonly there: readonly (JobSize & { readonly id: string })[];
}

/** Rows and bytes that batch jobs take, of all processes. Every call may be repeated. */
export interface JobRoom {
  hold(tenant: string, id: string, size: JobSize, limits: JobSize): Promise<HoldVerdict>;
  keep(tenant: string, upload: string, job: JobSize & { readonly id: string }): Promise<void>;
  freeRows(tenant: string, id: string): Promise<void>;
  free(tenant: string, id: string): Promise<void>;
  held(tenant: string): Promise<HeldJobs>;
  settle(tenant: string, corrections: JobCorrections): Promise<void>;
}
