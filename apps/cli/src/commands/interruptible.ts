import { StackError } from '../up/stack-error.js';

/**
 * Runs `work` with a signal that Ctrl-C or SIGTERM aborts. Downloads keep what they have for the next run.
 *
 * @throws StackError with the shell's status for the signal
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const interrupt = (): void => {
    controller.abort(new StackError('interrupted; run it again to go on', { exitCode: 130 }));
  };
  const terminate = (): void => {
    controller.abort(new StackError('terminated; run it again to go on', { exitCode: 143 }));
  };
  process.once('SIGINT', interrupt).once('SIGTERM', terminate);
  try {
    return await work(controller.signal);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    process.removeListener('SIGINT', interrupt).removeListener('SIGTERM', terminate);
  }
}
