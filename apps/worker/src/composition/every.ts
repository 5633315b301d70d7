import type { Logger } from '@rerank-fleet/core/observability';

/** Work that takes longer than its period is not begun a second time beside itself. */
export function every(ms: number, log: Logger, work: () => Promise<void>): NodeJS.Timeout {
  let running = false;
  return setInterval(() => {
    if (running) return;
    running = true;
    void work()
      .catch((error: unknown) => log.warn({ err: error }, 'Periodic work failed; it is tried again.'))
      .finally(() => (running = false));
  }, ms);
}
