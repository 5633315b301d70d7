import type { BatchJobs, BatchKeeper, BatchLedger } from '@rerank-fleet/core/jobs';
import type { FairRows } from './fair-rows.js';
import type { RowParts } from './run-row.js';

/** What running slices needs. */
export interface BatchParts extends RowParts {
  readonly jobs: BatchJobs;
  readonly ledger: Pick<BatchLedger, 'commit' | 'state' | 'drop' | 'forget'>;
  readonly keeper: Pick<BatchKeeper, 'finish' | 'close'>;
  readonly dispatcher: { fill(pool: string): Promise<void> };
  readonly fairRows: FairRows;
  readonly cancels: {
    follow(id: string, controller: AbortController): Promise<void>;
    release(id: string, controller: AbortController): void;
  };
  /** Rows that workers died under while nothing ran beside them. */
  readonly suspects: {
    enter(taskId: string, row: number): Promise<void>;
    leave(taskId: string): Promise<void>;
    convicted(taskId: string): Promise<ReadonlySet<number>>;
    forget(taskId: string): Promise<void>;
  };
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void };
}
