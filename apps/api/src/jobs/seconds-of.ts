import type { FleetSource } from '@rerank-fleet/core/requests';

/**
 * How long work takes on the live workers of a pool with nothing else to do, by what they have scored lately. Undefined where none has worked in the last half
 * minute.
 */
export async function secondsOf(
  fleet: Pick<FleetSource, 'live'>,
  pool: string,
  { pairs }: { readonly pairs: number },
): Promise<number | undefined> {
  const workers = (await fleet.live()).filter((worker) => worker.pool === pool);
  const speed = workers.reduce((sum, { stats }) => sum + (stats?.pairs_per_s ?? 0), 0);
  return speed > 0 ? Math.ceil((pairs / speed) * 10) / 10 : undefined;
}
