import { invariant } from '../../errors/index.js';
import type { EmbeddedOptions } from './embedded-database.js';
import { StoreThread } from './store-thread-client.js';
import type { OperationName, StoreOperations } from './store-operations.js';

/**
 * The threads that both stores share: writes wait for the disk and for other processes' locks, searches load indexes, and reads of
 * records must not stand behind either.
 */
export class EmbeddedConnections {
  private readonly writer: StoreThread;
  private readonly searcher: StoreThread;
  private readonly reader: StoreThread;
  private readonly released = new Set<object>();

  constructor(
    private readonly options: EmbeddedOptions,
    private readonly owners: number,
  ) {
    this.writer = new StoreThread(options);
    this.searcher = new StoreThread(options);
    this.reader = new StoreThread(options);
  }

  async write<K extends OperationName>(operation: K, args: Parameters<StoreOperations[K]>): Promise<ReturnType<StoreOperations[K]>> {
    invariant(this.options.readOnly !== true, 'A write through stores that were opened read-only.');
    return this.writer.call(operation, args);
  }

  search<K extends OperationName>(
    operation: K,
    args: Parameters<StoreOperations[K]>,
    signal?: AbortSignal,
  ): Promise<ReturnType<StoreOperations[K]>> {
    return this.searcher.call(operation, args, signal);
  }

  read<K extends OperationName>(operation: K, args: Parameters<StoreOperations[K]>): Promise<ReturnType<StoreOperations[K]>> {
    return this.reader.call(operation, args);
  }

  /** Ends the threads when the last of the owners lets go. */
  async release(owner: object): Promise<void> {
    this.released.add(owner);
    if (this.released.size < this.owners) return;
    await Promise.all([this.writer.terminate(), this.searcher.terminate(), this.reader.terminate()]);
  }
}
