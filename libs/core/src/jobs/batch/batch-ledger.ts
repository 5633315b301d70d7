/** Why a job ends before all its rows have run. */
export type CloseReason = 'cancelled' | 'expired' | 'failed';

export interface LedgerJob {
  readonly id: string;
  readonly tenant: string;
  readonly pool: string;
  /** Lower goes first; a step is worth a minute of waiting. */
  readonly priority: number;
  /** Epoch milliseconds. */
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly slices: number;
  readonly total: number;
  readonly rejected: number;
  readonly pairs: number;
  /** Estimate, as admission took it. */
  readonly tokens: number;
}

/** How the rows of slices ended. */
export interface SliceCounts {
  readonly succeeded: number;
  readonly errored: number;
  readonly cancelled: number;
  readonly expired: number;
  readonly pairs: number;
}

export interface SliceRef {
  readonly tenant: string;
  readonly job: string;
  readonly slice: number;
  /** Of a tenant that had nothing in hand: it goes through the express queue. */
  readonly express: boolean;
}

export interface LedgerState extends SliceCounts {
  readonly job: LedgerJob;
  /** Absent while the job is open. */
  readonly closing?: CloseReason;
  readonly inFlight: number;
  readonly slicesDone: number;
  /** Epoch milliseconds at which its first slice was handed out. */
  readonly startedMs?: number;
  /** Rises with each change. */
  readonly version: number;
  /** One bit a slice, as Redis has it. */
  readonly doneSlices: Buffer;
}

/**
 * - `counted`: the slice is done, others are not; `last`: now all that will be done is done, and the job can be finished;
 * - `repeated`: its results counted before; `closed`: the job has ended without it; `unknown`: the ledger has no such job, as it lost its memory.
 */
export type CommitOutcome = 'counted' | 'last' | 'repeated' | 'closed' | 'unknown';

/** As of a commit; `open`: the job goes on, and its slice stays in flight. */
export type DropOutcome = Exclude<CommitOutcome, 'repeated'> | 'open';

/**
 * The working memory of batch jobs: which slices are done, which are in flight, whose turn it is. It holds counters and bits, no rows, and can be told
 * again from the blob store (`open` with what was done).
 *
 * @throws RerankError `queue_unavailable`
 */
export interface BatchLedger {
  /** Takes a job in, with what is done of it already. Doing it again changes nothing: false. */
  open(job: LedgerJob, done?: { readonly slices: readonly number[]; readonly counts: SliceCounts }): Promise<boolean>;
  /**
   * Chooses the slices that go into the queue now and counts them as in flight: the tenant with the least virtual time first (start-time fair queueing,
   * Goyal et al. 1996), in a tenant the job that has waited longest, by its priority. At most `capacity` are in flight in the pool, and of a tenant no more
   * than its share while others wait; a tenant that had nothing in flight gets its first slices whatever is taken (new flows first, RFC 8290).
   */
  pick(
    pool: string,
    options: { readonly capacity: number; readonly weights?: Readonly<Record<string, number>> },
  ): Promise<readonly SliceRef[]>;
  /** Counts a slice whose results are durable. */
  commit(job: string, slice: number, counts: SliceCounts): Promise<CommitOutcome>;
  /** Nothing more of the job is handed out, and workers that have some of it are told. `last` if it can be finished at once; the first reason stays. */
  close(job: string, reason: CloseReason): Promise<'closing' | 'last' | 'unknown'>;
  /** Slices of a job that are in flight, and whether they went through the express queue. */
  flights(job: string): Promise<readonly { readonly slice: number; readonly express: boolean }[]>;
  /** Gives up a slice of a closed job that nobody has run: its rows end as the job does. */
  drop(job: string, slice: number): Promise<DropOutcome>;
  /** From here on no slice counts any more: what `state` says is final. */
  seal(job: string): Promise<LedgerState | undefined>;
  /** Forgets a job, whatever of it is in flight. */
  forget(job: string): Promise<void>;
  state(job: string): Promise<LedgerState | undefined>;
  /** Slices that have been in flight since before `epochMs`: their task may have been lost. Looking at them counts as handing them out anew. */
  overdue(pool: string, epochMs: number): Promise<readonly SliceRef[]>;
  /** Jobs that are over their time, and jobs that have nothing left to wait for or closed before `closedBeforeMs`. */
  due(nowMs: number, closedBeforeMs: number): Promise<{ readonly expired: readonly string[]; readonly finishable: readonly string[] }>;
  pools(): Promise<readonly string[]>;
}
