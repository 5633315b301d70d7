import type { QueueBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { useCall } from '../app/use-call.js';
import { whole } from '../format/numbers.js';
import { duration } from '../format/times.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { StatusBadge } from '../ui/status-badge.js';
import { numeric, Table } from '../ui/table.js';

export function QueuesTable({ everyMs }: { everyMs: number }): JSX.Element {
  const { client } = useService();
  const queues = useCall((signal) => client.admin.listQueues({ signal }), [], { everyMs });
  const turning = useAction(async (signal, { name, paused }: QueueBody) => {
    await (paused ? client.admin.resumeQueue(name, { signal }) : client.admin.pauseQueue(name, { signal }));
    queues.reload();
  });
  return (
    <>
      <ProblemNotice error={queues.error ?? turning.error} />
      <Table
        columns={[
          'Queue',
          'State',
          numeric('Waiting'),
          numeric('With priority'),
          numeric('Delayed'),
          numeric('In hand'),
          numeric('Failed'),
          numeric('Oldest waits'),
        ]}
        actions
      >
        {(queues.value ?? []).map((queue) => (
          <tr key={queue.name}>
            <td>{queue.name}</td>
            <td>
              <StatusBadge status={queue.paused ? 'paused' : 'running'} />
            </td>
            {[queue.waiting, queue.prioritized, queue.delayed, queue.active, queue.failed].map((count, index) => (
              <td key={index} class="number">
                {whole(count)}
              </td>
            ))}
            <td class="number">{queue.oldest_age_s === 0 ? '–' : duration(queue.oldest_age_s)}</td>
            <td class="actions">
              <button
                type="button"
                class="small"
                disabled={turning.busy}
                aria-label={`${queue.paused ? 'Resume' : 'Pause'} ${queue.name}`}
                onClick={() => turning.run(queue)}
              >
                {queue.paused ? 'Resume' : 'Pause'}
              </button>
            </td>
          </tr>
        ))}
      </Table>
    </>
  );
}
