import { DEFAULT_POOL } from '@rerank-fleet/core/requests';

/** Every pool that ever had a worker; where none had, the one that calls wake, so that a fleet without its first worker is seen and scaled. */
export async function meteredPools(fleet: { remembered(): Promise<readonly { readonly pool: string }[]> }): Promise<readonly string[]> {
  const pools = (await fleet.remembered()).map(({ pool }) => pool);
  return pools.length === 0 ? [DEFAULT_POOL] : pools;
}
