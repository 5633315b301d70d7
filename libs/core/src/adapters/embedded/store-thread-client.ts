import { Worker } from 'node:worker_threads';
import { RerankError, isErrorCode } from '../../errors/index.js';
import type { EmbeddedOptions } from './embedded-database.js';
import type { OperationName, StoreOperations, ThreadMessage, ThreadReply } from './store-operations.js';

interface PendingCall {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs store operations in a thread with a connection of its own, in the order of the calls. The thread starts at the first call, and
 * again at the call after it died. An idle thread does not keep the process alive.
 */
export class StoreThread {
  private worker: Worker | undefined;
  private readonly pending = new Map<number, PendingCall>();
  private lastId = 0;

  constructor(private readonly options: EmbeddedOptions) {}

  /**
   * @param signal rejects with its reason when aborted; what has not begun is not begun
   * @throws RerankError `candidate_store_unavailable` if the thread dies, and what the operation throws
   */
  async call<K extends OperationName>(
    operation: K,
    args: Parameters<StoreOperations[K]>,
    signal?: AbortSignal,
  ): Promise<ReturnType<StoreOperations[K]>> {
    signal?.throwIfAborted();
    const id = (this.lastId += 1);
    const worker = (this.worker ??= this.start());
    const reply = Promise.withResolvers<unknown>();
    this.pending.set(id, reply);
    worker.ref();
    const abandon = () => {
      this.settle(id)?.reject(signal?.reason);
      worker.postMessage({ cancel: id } satisfies ThreadMessage);
    };
    signal?.addEventListener('abort', abandon, { once: true });
    try {
      worker.postMessage({ id, operation, args } satisfies ThreadMessage);
      return (await reply.promise) as ReturnType<StoreOperations[K]>;
    } finally {
      this.settle(id);
      signal?.removeEventListener('abort', abandon);
    }
  }

  /** Ends the thread; calls in flight reject. A later call starts another. */
  async terminate(): Promise<void> {
    await this.worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(new URL('./store-thread.js', import.meta.url), { workerData: this.options });
    let cause: unknown;
    worker.on('message', (reply: ThreadReply) => this.receive(reply));
    worker.on('error', (error: unknown) => {
      cause = error;
    });
    worker.on('exit', () => this.lose(worker, cause));
    worker.unref();
    return worker;
  }

  private receive(reply: ThreadReply): void {
    const call = this.settle(reply.id);
    if ('result' in reply) call?.resolve(reply.result);
    else call?.reject(errorOf(reply.error));
  }

  private settle(id: number): PendingCall | undefined {
    const call = this.pending.get(id);
    this.pending.delete(id);
    if (this.pending.size === 0) this.worker?.unref();
    return call;
  }

  private lose(worker: Worker, cause: unknown): void {
    if (this.worker !== worker) return;
    this.worker = undefined;
    const calls = [...this.pending.values()];
    this.pending.clear();
    const error = new RerankError('candidate_store_unavailable', 'The thread of the embedded store ended. Try again.', { cause });
    for (const call of calls) call.reject(error);
  }
}

function errorOf({ code, detail, cause }: { code?: string; detail: string; cause?: string }): Error {
  if (code === undefined || !isErrorCode(code)) return new Error(detail);
  return new RerankError(code, detail, cause === undefined ? {} : { cause: new Error(cause) });
}
