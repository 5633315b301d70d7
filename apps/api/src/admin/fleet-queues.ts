import { batchQueue, expressQueue, INGEST_QUEUE, syncQueue, WEBHOOKS_QUEUE, type QueueKind } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { DEFAULT_POOL, type FleetSource } from '@rerank-fleet/core/requests';

/** A queue of the fleet. */
export interface FleetQueue {
  readonly name: string;
  readonly kind: QueueKind;
  /** Absent where workers of all pools take from it. */
  readonly pool?: string;
}

/**
 * Every queue of the fleet: those of each pool that ever had a worker, by pool, then those that pools share.
 *
 * @throws RerankError `queue_unavailable`
 */
export async function fleetQueues(fleet: Pick<FleetSource, 'live' | 'remembered'>): Promise<readonly FleetQueue[]> {
  const [live, remembered] = await Promise.all([fleet.live(), fleet.remembered()]);
  const pools = new Set([DEFAULT_POOL, ...[...live, ...remembered].map(({ pool }) => pool)]);
  return [
    ...[...pools].sort().flatMap((pool): FleetQueue[] => [
      { name: syncQueue(pool), kind: 'sync', pool },
      { name: batchQueue(pool), kind: 'batch', pool },
      { name: expressQueue(pool), kind: 'express', pool },
    ]),
    { name: INGEST_QUEUE, kind: 'ingest' },
    { name: WEBHOOKS_QUEUE, kind: 'webhooks' },
  ];
}

/** @throws RerankError `queue_not_found`, `queue_unavailable` */
export async function fleetQueue(fleet: Pick<FleetSource, 'live' | 'remembered'>, name: string): Promise<FleetQueue> {
  const found = (await fleetQueues(fleet)).find((queue) => queue.name === name);
  if (found === undefined)
    throw new RerankError('queue_not_found', 'The fleet has no queue of this name; GET /v1/admin/queues lists them.');
  return found;
}
