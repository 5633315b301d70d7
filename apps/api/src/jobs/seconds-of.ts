import type { FleetSource } from '@rerank-fleet/core/requests';

/**
 * How long work takes on the live workers of a pool with nothing else to do: by what their full batches score, else by what they have scored lately. Undefined
 * where none of them can tell.
 */
export async function secondsOf(
  fleet: Pick<FleetSource, 'live'>,
  pool: string,
  { pairs, tokens }: { readonly pairs: number; readonly tokens: number },
): Promise<number | undefined> {
  const stats = (await fleet.live()).flatMap((worker) => (worker.pool === pool && worker.stats !== undefined ? [worker.stats] : []));
  const tokensPerS = stats.reduce((sum, { tokens_per_s: each = 0 }) => sum + each, 0);
  const pairsPerS = stats.reduce((sum, { pairs_per_s: each = 0 }) => sum + each, 0);
  if (tokensPerS > 0) return rounded(tokens / tokensPerS);
  return pairsPerS > 0 ? rounded(pairs / pairsPerS) : undefined;
}

/** Up, to a tenth. */
const rounded = (seconds: number): number => Math.ceil(seconds * 10) / 10;
