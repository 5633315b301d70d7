import type { CorpusBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { linkTo } from '../app/route.js';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { useCall } from '../app/use-call.js';
import { whole } from '../format/numbers.js';
import { ConfirmButton } from '../ui/confirm-button.js';
import { Facts } from '../ui/facts.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { StatusBadge } from '../ui/status-badge.js';
import { Table } from '../ui/table.js';
import { When } from '../ui/when.js';
import { DeleteDocuments } from './delete-documents.js';
import { ReindexPanel } from './reindex-panel.js';
import { UploadDocuments } from './upload-documents.js';

const REFRESH_MS = 5_000;

export function CorpusPage({ name }: { name: string }): JSX.Element {
  const { client } = useService();
  const corpus = useCall((signal) => client.getCorpus(name, { signal }), [name], { everyMs: REFRESH_MS });
  return (
    <>
      <p class="fine">
        <a href={linkTo(['corpora'])}>Corpora</a>
      </p>
      <ProblemNotice error={corpus.error} />
      {corpus.value === undefined && corpus.error === undefined && <p class="busy">Asking …</p>}
      {corpus.value !== undefined && (
        <>
          <Overview corpus={corpus.value} />
          <div class="columns">
            <UploadDocuments corpus={name} onStored={corpus.reload} />
            <DeleteDocuments corpus={name} onDeleted={corpus.reload} />
          </div>
          <ReindexPanel corpus={name} onChange={corpus.reload} />
          <DeleteCorpus corpus={corpus.value} />
        </>
      )}
    </>
  );
}

function Overview({ corpus }: { corpus: CorpusBody }): JSX.Element {
  const { name, settings, documents, passages, version, created_at: createdAt } = corpus;
  const { chunking, bm25, fields, stages } = settings;
  const cut =
    chunking.mode === 'none' ? 'one a document' : `${whole(chunking.max_tokens)} tokens, ${whole(chunking.overlap_tokens)} shared`;
  return (
    <section class="card">
      <div class="heading">
        <h1>{name}</h1>
        <span class="spring" />
        <a class="button small" href={linkTo(['playground', 'search'], { corpus: name })}>
          Search it
        </a>
      </div>
      <Facts
        of={[
          ['documents', whole(documents)],
          ['passages', whole(passages)],
          ['version', whole(version)],
          ['embedder', settings.embedding_model],
          ['passages of', cut],
          ['BM25', `k1 ${bm25.k1}, b ${bm25.b}, ${bm25.language}`],
          Object.keys(fields).length === 0
            ? undefined
            : [
                'filterable',
                Object.entries(fields)
                  .map(([field, type]) => `${field}: ${type}`)
                  .join(', '),
              ],
          stages === undefined
            ? undefined
            : ['stages', stages.map(({ model, keep }) => (keep === undefined ? model : `${model} keeps ${keep}`)).join(' → ')],
          ['created', <When at={createdAt} />],
        ]}
      />
      <Versions versions={corpus.versions} />
    </section>
  );
}

function Versions({ versions }: Pick<CorpusBody, 'versions'>): JSX.Element | null {
  if (versions.length < 2) return null;
  return (
    <Table caption="Versions" columns={['Version', 'State', 'Embedder', 'Created', 'Retired']}>
      {versions.map(({ version, state, embedding_model: model, created_at: createdAt, retired_at: retiredAt }) => (
        <tr key={version}>
          <td>{version}</td>
          <td>
            <StatusBadge status={state} />
          </td>
          <td>{model}</td>
          <td>
            <When at={createdAt} />
          </td>
          <td>
            <When at={retiredAt} />
          </td>
        </tr>
      ))}
    </Table>
  );
}

function DeleteCorpus({ corpus: { name, documents } }: { corpus: CorpusBody }): JSX.Element {
  const { client } = useService();
  const deleting = useAction(async (signal) => {
    await client.deleteCorpus(name, { signal });
    location.hash = linkTo(['corpora']);
  });
  return (
    <section class="card">
      <div class="heading">
        <h2>Delete the corpus</h2>
        <span class="spring" />
        <ConfirmButton label="Delete the corpus" title={`Delete ${name}?`} typed={name} disabled={deleting.busy} onConfirm={deleting.run}>
          Its {whole(documents)} documents and all its versions go. This cannot be taken back.
        </ConfirmButton>
      </div>
      {deleting.busy && <p class="busy">Deleting …</p>}
      <ProblemNotice error={deleting.error} />
    </section>
  );
}
