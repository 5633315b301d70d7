import { parentPort, workerData } from 'node:worker_threads';
import { RerankError, invariant } from '../../errors/index.js';
import { EmbeddedDatabase, type EmbeddedOptions } from './embedded-database.js';
import { toStoreError } from './sqlite-errors.js';
import {
  createStoreOperations,
  type OperationRequest,
  type StoreOperations,
  type ThreadMessage,
  type ThreadReply,
} from './store-operations.js';

invariant(parentPort, 'The store thread was started as a program.');
const port = parentPort;
const waiting: OperationRequest[] = [];
let operations: StoreOperations | undefined;

port.on('message', (message: ThreadMessage) => {
  if ('cancel' in message) {
    const at = waiting.findIndex((request) => request.id === message.cancel);
    if (at >= 0) waiting.splice(at, 1);
    return;
  }
  waiting.push(message);
  if (waiting.length === 1) setImmediate(runNext);
});

/** One request a turn, so that a cancel that has arrived takes out work that has not begun. */
function runNext(): void {
  const request = waiting.shift();
  if (request === undefined) return;
  port.postMessage(run(request));
  setImmediate(waiting.length > 0 ? runNext : prepare);
}

/** In steps, so that a request that has arrived waits for one of them only. */
function prepare(): void {
  if (waiting.length > 0) return;
  try {
    if (operations?.prepare() === true) setImmediate(prepare);
  } catch {
    // Nobody asked for it; a search that does will tell.
  }
}

function run({ id, operation, args }: OperationRequest): ThreadReply {
  try {
    operations ??= createStoreOperations(new EmbeddedDatabase(workerData as EmbeddedOptions));
    const perform = operations[operation] as (...values: readonly unknown[]) => unknown;
    return { id, result: perform(...args) };
  } catch (thrown) {
    return { id, error: describe(toStoreError(thrown)) };
  }
}

function describe(error: unknown): { code?: string; detail: string; cause?: string } {
  if (!(error instanceof Error)) return { detail: 'The store thread threw what is no error.' };
  if (!(error instanceof RerankError)) return { detail: error.stack ?? error.message };
  return { code: error.code, detail: error.detail, ...(error.cause instanceof Error ? { cause: error.cause.message } : {}) };
}
