import { INGEST_QUEUE, TASK_VERSION, type TaskPayload } from '@rerank-fleet/core/contracts';
import type { PendingDelete } from '@rerank-fleet/core/domain';
import type { JobQueue, RetryBackoff } from '@rerank-fleet/core/ports';

export interface RefusedDeletionsParts {
  readonly queue: Pick<JobQueue, 'enqueue'> & {
    /** Also a task that is dead. */
    has(queue: string, taskId: string): Promise<boolean>;
  };
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
  /** @defaultValue from a minute to an hour */
  readonly backoff?: RetryBackoff;
}

/** A server that is upgraded or configured anew is through with it within hours. */
export const REFUSED_DELETION_RETRIES = 8;
const BACKOFF: RetryBackoff = { firstMs: 60_000, lastMs: 3_600_000 };

/**
 * Deletions that an index refuses for good after documents have left the record. Time alone does not mend that, so they leave the sweep for the queue of uploads: it tries
 * them a few times more, and then keeps a dead letter, which operators see and retry. What is to be deleted stays in the store; a queue that forgot is told again.
 */
export class RefusedDeletions {
  readonly #parts: RefusedDeletionsParts;

  constructor(parts: RefusedDeletionsParts) {
    this.#parts = parts;
  }

  /** Whether the queue has it, or has its dead letter. */
  async has({ id }: Pick<PendingDelete, 'id'>): Promise<boolean> {
    return await this.#parts.queue.has(INGEST_QUEUE, taskId(id));
  }

  /** One that the queue has, or that is dead, stays as it is. */
  async take(pending: PendingDelete): Promise<void> {
    if (await this.has(pending)) return;
    const { queue, now, backoff = BACKOFF } = this.#parts;
    const { id: deletion, tenant, corpus } = pending;
    const id = taskId(deletion);
    const payload: TaskPayload = {
      v: TASK_VERSION,
      id,
      tenant,
      request_id: id,
      pool: INGEST_QUEUE,
      enqueued_ms: now(),
      body: { kind: 'corpus', corpus, change: { op: 'settle_delete', delete_id: deletion } },
    };
    await queue.enqueue(INGEST_QUEUE, { id, payload, retries: REFUSED_DELETION_RETRIES, backoff });
  }
}

const taskId = (deletion: string): string => `delete-${deletion}`;
