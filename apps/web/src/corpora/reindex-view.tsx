import { isSettled, type ReindexBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { percent, whole } from '../format/numbers.js';
import { duration } from '../format/times.js';
import { Facts } from '../ui/facts.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { ProgressBar } from '../ui/progress-bar.js';
import { StatusBadge } from '../ui/status-badge.js';
import { When } from '../ui/when.js';

export interface ReindexViewProps {
  readonly reindex: ReindexBody;
  readonly onChange: () => void;
}

/** How far it is, and what can be done with it now. */
export function ReindexView({ reindex, onChange }: ReindexViewProps): JSX.Element {
  const { status, total, created, updated, failed, waiting, error, validation, failures } = reindex;
  const done = created + updated;
  return (
    <>
      <div class="heading">
        <span>
          Version {reindex.from_version} → {reindex.to_version}
        </span>
        <StatusBadge status={status} />
        <code class="hint">{reindex.id}</code>
      </div>
      <ProgressBar label="Documents in the new version" done={done} total={total} />
      <p class="unseen" role="status">
        The reindex is {status.replaceAll('_', ' ')}.
      </p>
      <Facts
        of={[
          ['documents', `${whole(done)} of ${whole(total)}`],
          failed === 0 ? undefined : ['failed', whole(failed)],
          reindex.documents_per_s === undefined ? undefined : ['speed', `${reindex.documents_per_s.toFixed(1)} documents/s`],
          reindex.eta_s === undefined || isSettled(reindex) ? undefined : ['left', duration(reindex.eta_s)],
          ['throttle', reindex.requests_per_second === undefined ? 'none' : `${whole(reindex.requests_per_second)} documents/s`],
          ['promotion', reindex.promote === 'manual' ? 'by hand' : 'by itself'],
          validation?.overlap === undefined ? undefined : ['overlap with before', percent(validation.overlap)],
          ['started', <When at={reindex.created_at} />],
          reindex.ended_at === undefined ? undefined : ['ended', <When at={reindex.ended_at} />],
        ]}
      />
      {waiting !== undefined && (
        <p class="notice mild">
          <strong>It waits.</strong> {waiting.detail}
        </p>
      )}
      {error !== undefined && (
        <p class="notice bad">
          <strong>{error.code}</strong> {error.detail}
        </p>
      )}
      {[...(validation?.failures ?? []), ...failures.map(({ document_id: id, detail }) => `${id}: ${detail}`)].map((text) => (
        <p key={text} class="notice bad">
          {text}
        </p>
      ))}
      <Controls reindex={reindex} onChange={onChange} />
    </>
  );
}

type Step = 'promote' | 'rollback' | 'cancel';

/** What a reindex can be told in its present state. */
export function stepsOf({ status }: Pick<ReindexBody, 'status'>): readonly Step[] {
  if (status === 'building' || status === 'validating') return ['cancel'];
  if (status === 'ready') return ['promote', 'cancel'];
  return status === 'completed' ? ['rollback'] : [];
}

const LABELS: Readonly<Record<Step, string>> = {
  promote: 'Promote the new version',
  rollback: 'Roll back to the version before',
  cancel: 'Cancel the reindex',
};

function Controls({ reindex, onChange }: ReindexViewProps): JSX.Element {
  const { client } = useService();
  const [perSecond, setPerSecond] = useState('');
  const controlling = useAction(async (signal, step: Step) => {
    await client.reindexes[step](reindex.id, { signal });
    onChange();
  });
  const throttling = useAction(async (signal) => {
    await client.reindexes.rethrottle(reindex.id, perSecond === '' ? undefined : Number(perSecond), { signal });
    onChange();
  });
  return (
    <>
      <div class="row end">
        {reindex.status === 'building' && (
          <>
            <input
              class="short"
              type="number"
              min={1}
              aria-label="Documents a second"
              placeholder="no limit"
              value={perSecond}
              onInput={(event) => setPerSecond(event.currentTarget.value)}
            />
            <button type="button" disabled={throttling.busy} onClick={throttling.run}>
              Set the throttle
            </button>
          </>
        )}
        {stepsOf(reindex).map((step) => (
          <button
            key={step}
            type="button"
            class={step === 'promote' ? 'primary' : 'danger'}
            disabled={controlling.busy}
            onClick={() => controlling.run(step)}
          >
            {LABELS[step]}
          </button>
        ))}
      </div>
      <ProblemNotice error={controlling.error ?? throttling.error} />
    </>
  );
}
