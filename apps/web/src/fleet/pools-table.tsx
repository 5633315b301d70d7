import type { JSX } from 'preact';
import { useService } from '../app/service.js';
import { useCall } from '../app/use-call.js';
import { whole } from '../format/numbers.js';
import { duration } from '../format/times.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { numeric, Table } from '../ui/table.js';

const REFRESH_MS = 3_000;

/** What an autoscaler is told of each pool. */
export function PoolsTable({ pools }: { pools: readonly string[] }): JSX.Element {
  const { client } = useService();
  const scalings = useCall((signal) => Promise.all(pools.map((pool) => client.admin.readScaling(pool, { signal }))), [pools], {
    everyMs: REFRESH_MS,
  });
  return (
    <>
      <ProblemNotice error={scalings.error} />
      <Table columns={['Pool', numeric('Outstanding tokens'), numeric('Oldest waits'), numeric('Live workers'), numeric('Wanted workers')]}>
        {(scalings.value ?? []).map((scaling) => (
          <tr key={scaling.pool}>
            <td>{scaling.pool}</td>
            <td class="number">{whole(scaling.outstanding_tokens)}</td>
            <td class="number">{duration(scaling.oldest_age_s)}</td>
            <td class="number">{whole(scaling.live_workers)}</td>
            <td class="number">{whole(scaling.desired_workers)}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}
