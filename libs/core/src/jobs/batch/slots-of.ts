import type { WorkerAnnouncement } from '../../contracts/index.js';

/** How often the window's room is looked at, beyond what each ended slice does by itself. */
const SLOTS_FRESH_MS = 1_000;

/** Slices that the live workers of a pool take at once, as they announce it. */
export function slotsOf(registry: { live(): Promise<readonly WorkerAnnouncement[]> }): (pool: string) => Promise<number> {
  let latest: { readonly at: number; readonly workers: Promise<readonly WorkerAnnouncement[]> } | undefined;
  return async (pool) => {
    if (latest === undefined || performance.now() - latest.at > SLOTS_FRESH_MS)
      latest = { at: performance.now(), workers: registry.live() };
    const workers = await latest.workers.catch((error: unknown) => {
      latest = undefined;
      throw error;
    });
    return workers.filter((worker) => worker.pool === pool).reduce((sum, { batch_slots: slots = 0 }) => sum + slots, 0);
  };
}
