import type { ModelBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useService } from '../app/service.js';
import { useCall } from '../app/use-call.js';
import { ProblemNotice, ScopeNotice } from '../ui/problem-notice.js';
import { DeadLetters } from './dead-letters.js';
import { ModelsTable } from './models-table.js';
import { PoolsTable } from './pools-table.js';
import { QueuesTable } from './queues-table.js';
import { WorkersTable } from './workers-table.js';

const REFRESH_MS = 3_000;

/** Models for keys that search, and for those of operators; all else for the latter. */
export function FleetPage(): JSX.Element {
  const { client, url } = useService();
  const caller = useCall((signal) => client.whoami({ signal }), []);
  const models = useCall((signal) => client.listModels({ signal }), [], { everyMs: 2 * REFRESH_MS });
  const mayOperate = caller.value?.scopes.includes('operator') === true;
  return (
    <>
      <div class="heading">
        <h1>Fleet</h1>
        <span class="spring" />
        {mayOperate && (
          <a class="quiet" href={`${url}/admin/queues`}>
            Queue board
          </a>
        )}
      </div>
      {mayOperate ? (
        <OperatorCards models={models.value ?? []} />
      ) : (
        <section class="card">
          <h2>Workers</h2>
          <ProblemNotice error={caller.error} />
          {caller.value !== undefined && <ScopeNotice scope="operator" />}
        </section>
      )}
      <section class="card">
        <h2>Models</h2>
        <ProblemNotice error={models.error} />
        {models.value !== undefined && <ModelsTable models={models.value} />}
      </section>
    </>
  );
}

function OperatorCards({ models }: { models: readonly ModelBody[] }): JSX.Element {
  const { client } = useService();
  const workers = useCall((signal) => client.listWorkers({ signal }), [], { everyMs: REFRESH_MS });
  const pools = [...new Set([...models, ...(workers.value ?? [])].map(({ pool }) => pool))];
  return (
    <>
      <section class="card">
        <h2>Workers</h2>
        <ProblemNotice error={workers.error} />
        {workers.value !== undefined && <WorkersTable workers={workers.value} />}
      </section>
      <section class="card">
        <h2>Pools</h2>
        <PoolsTable pools={pools.length === 0 ? ['default'] : pools} />
      </section>
      <section class="card">
        <h2>Queues</h2>
        <QueuesTable everyMs={REFRESH_MS} />
      </section>
      <section class="card">
        <h2>Dead letters</h2>
        <DeadLetters everyMs={2 * REFRESH_MS} />
      </section>
    </>
  );
}
