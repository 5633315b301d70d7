import type { ModelBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { whole } from '../format/numbers.js';
import { numeric, Table } from '../ui/table.js';

export function ModelsTable({ models }: { models: readonly ModelBody[] }): JSX.Element {
  if (models.length === 0) return <p class="empty">No worker holds any.</p>;
  return (
    <Table columns={['Model', 'Kind', 'Pool', 'Precision', numeric('Window'), numeric('Live workers'), 'sha256']}>
      {models.map((model) => (
        <tr key={`${model.pool} ${model.id} ${model.sha256}`}>
          <td>
            {model.id} {model.default && <span class="badge">default</span>}
          </td>
          <td>{model.kind}</td>
          <td>{model.pool}</td>
          <td>{model.precision}</td>
          <td class="number">{whole(model.max_length)} tokens</td>
          <td class="number">{whole(model.live_workers)}</td>
          <td>
            <code title={model.sha256}>{model.sha256.slice(0, 12)}</code>
          </td>
        </tr>
      ))}
    </Table>
  );
}
