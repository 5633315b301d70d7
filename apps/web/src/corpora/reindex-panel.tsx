import { isSettled, type ReindexBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { useCall } from '../app/use-call.js';
import { CheckField, Choice, TextField } from '../ui/field.js';
import { Form } from '../ui/form.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { ChunkingFields } from './chunking-fields.js';
import { chunkingOf, NO_CHUNKING } from './corpus-settings.js';
import { ReindexView } from './reindex-view.js';
import { useEmbedders } from './use-embedders.js';

export interface ReindexPanelProps {
  readonly corpus: string;
  /** The corpus may have another version now. */
  readonly onChange: () => void;
}

const REFRESH_MS = 1_500;

/** The reindexes of a corpus, the newest in full, and a new one. */
export function ReindexPanel({ corpus, onChange }: ReindexPanelProps): JSX.Element {
  const { client } = useService();
  const reindexes = useCall((signal) => client.reindexes.list({ corpus, signal }), [corpus], { everyMs: REFRESH_MS });
  const changed = (): void => {
    reindexes.reload();
    onChange();
  };
  const [latest] = reindexes.value ?? [];
  const runs = latest !== undefined && (!isSettled(latest) || latest.status === 'ready');
  return (
    <section class="card">
      <div class="heading">
        <h2>Reindex</h2>
        <span class="hint">builds another version beside this one; searches go on</span>
      </div>
      <ProblemNotice error={reindexes.error} />
      {latest !== undefined && <ReindexView reindex={latest} onChange={changed} />}
      {!runs && reindexes.value !== undefined && <StartReindex corpus={corpus} onStarted={changed} />}
      {(reindexes.value?.length ?? 0) > 1 && <Earlier reindexes={reindexes.value?.slice(1) ?? []} />}
    </section>
  );
}

function Earlier({ reindexes }: { reindexes: readonly ReindexBody[] }): JSX.Element {
  return (
    <details>
      <summary>Earlier ones</summary>
      <ul>
        {reindexes.map(({ id, from_version: from, to_version: to, status }) => (
          <li key={id}>
            <code>{id}</code> version {from} → {to}: {status.replaceAll('_', ' ')}
          </li>
        ))}
      </ul>
    </details>
  );
}

function StartReindex({ corpus, onStarted }: { corpus: string; onStarted: () => void }): JSX.Element {
  const { client } = useService();
  const embedders = useEmbedders('as it is');
  const [embedder, setEmbedder] = useState('');
  const [chunking, setChunking] = useState(NO_CHUNKING);
  const [perSecond, setPerSecond] = useState('');
  const [byHand, setByHand] = useState(false);
  const starting = useAction(async (signal) => {
    const cut = chunkingOf(chunking);
    const parameters = {
      ...(embedder === '' ? {} : { embedding_model: embedder }),
      ...(cut === undefined ? {} : { chunking: cut }),
      ...(perSecond === '' ? {} : { requests_per_second: Number(perSecond) }),
      promote: byHand ? ('manual' as const) : ('auto' as const),
    };
    await client.reindexes.start(corpus, parameters, { signal });
    onStarted();
  });
  return (
    <details>
      <summary>Start one</summary>
      <Form onSubmit={starting.run}>
        <div class="grid">
          <Choice label="embedding_model" value={embedder} options={embedders} onChange={setEmbedder} />
          <ChunkingFields
            values={chunking}
            otherwise="as it is"
            onChange={(change) => setChunking((before) => ({ ...before, ...change }))}
          />
          <TextField label="documents a second" type="number" min={1} placeholder="no limit" value={perSecond} onInput={setPerSecond} />
          <div class="checks">
            <CheckField label="promote by hand" checked={byHand} onChange={setByHand} />
          </div>
        </div>
        <div class="row">
          <button type="submit" class="primary" disabled={starting.busy}>
            Start the reindex
          </button>
        </div>
        <ProblemNotice error={starting.error} />
      </Form>
    </details>
  );
}
