import type { WorkerBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { bytes, decimal, percent, whole } from '../format/numbers.js';
import { StatusBadge } from '../ui/status-badge.js';
import { numeric, Table } from '../ui/table.js';
import { When } from '../ui/when.js';

export function WorkersTable({ workers }: { workers: readonly WorkerBody[] }): JSX.Element {
  if (workers.length === 0) return <p class="empty">No worker is live. Calls wait for one until their deadline.</p>;
  return (
    <Table
      columns={[
        'Worker',
        'State',
        'Provider',
        'Models',
        numeric('Pairs/s', 'over about the last half minute'),
        numeric('Waiting', 'pairs that wait for a batch'),
        numeric('Batch fill', 'padded tokens ÷ budget, over all batches'),
        numeric('Padding', 'padding ÷ padded tokens, over all batches'),
        numeric('Cache hits'),
        numeric('Memory'),
        'Up since',
      ]}
    >
      {workers.map((worker) => (
        <Row key={worker.id} worker={worker} />
      ))}
    </Table>
  );
}

function Row({ worker }: { worker: WorkerBody }): JSX.Element {
  const { engine } = worker;
  return (
    <tr>
      <td>
        <code>{worker.id}</code>
        <p class="fine">pool {worker.pool}</p>
      </td>
      <td>
        <StatusBadge status={worker.state} />
      </td>
      <td>
        {worker.device}
        {engine !== undefined && (
          <p class="fine" title={engine.tuned ? 'measured on this machine' : 'as set, or a default'}>
            {engine.sessions} × {engine.intra_op_threads} threads, {whole(engine.max_batch_tokens)} tokens a batch
          </p>
        )}
      </td>
      <td>
        {worker.models.map(({ id, precision }) => (
          <div key={id}>
            {id} <span class="hint">{precision}</span>
          </div>
        ))}
      </td>
      <td class="number">{decimal(worker.pairs_per_s, 1)}</td>
      <td class="number">{whole(worker.pairs_waiting)}</td>
      <td class="number">{percent(worker.batch_fill)}</td>
      <td class="number">{percent(worker.padding_waste)}</td>
      <td class="number">{percent(worker.cache_hit_rate)}</td>
      <td class="number">{bytes(worker.rss_bytes)}</td>
      <td>
        <When at={worker.started_at} />
      </td>
    </tr>
  );
}
