import type { CorpusBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { linkTo } from '../app/route.js';
import { useService } from '../app/service.js';
import { useCall } from '../app/use-call.js';
import { whole } from '../format/numbers.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { numeric, Table } from '../ui/table.js';
import { When } from '../ui/when.js';
import { CreateCorpus } from './create-corpus.js';

export function CorporaPage(): JSX.Element {
  const { client } = useService();
  const corpora = useCall((signal) => client.listCorpora({ signal }), []);
  return (
    <>
      <h1>Corpora</h1>
      <CreateCorpus />
      <section class="card">
        <ProblemNotice error={corpora.error} />
        {corpora.value === undefined && corpora.error === undefined && <p class="busy">Asking …</p>}
        {corpora.value?.length === 0 && <p class="empty">There are none yet. Make one above.</p>}
        {(corpora.value?.length ?? 0) > 0 && <CorpusTable corpora={corpora.value ?? []} />}
      </section>
    </>
  );
}

function CorpusTable({ corpora }: { corpora: readonly CorpusBody[] }): JSX.Element {
  return (
    <Table columns={['Corpus', numeric('Documents'), numeric('Passages'), 'Embedder', numeric('Version'), 'Created']} actions>
      {corpora.map(({ name, documents, passages, settings, version, created_at: createdAt }) => (
        <tr key={name}>
          <td>
            <a href={linkTo(['corpora', name])}>{name}</a>
          </td>
          <td class="number">{whole(documents)}</td>
          <td class="number">{whole(passages)}</td>
          <td>{settings.embedding_model}</td>
          <td class="number">{version}</td>
          <td>
            <When at={createdAt} />
          </td>
          <td class="actions">
            <a href={linkTo(['playground', 'search'], { corpus: name })}>Search</a>
          </td>
        </tr>
      ))}
    </Table>
  );
}
