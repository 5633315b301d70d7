import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { whole } from '../format/numbers.js';
import { parseFilter } from '../playground/form-values.js';
import { ConfirmButton } from '../ui/confirm-button.js';
import { TextArea } from '../ui/field.js';
import { Form } from '../ui/form.js';
import { ProblemNotice } from '../ui/problem-notice.js';

export interface DeleteDocumentsProps {
  readonly corpus: string;
  readonly onDeleted: () => void;
}

export const idsOf = (text: string): string[] => [
  ...new Set(
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== ''),
  ),
];

export function DeleteDocuments({ corpus, onDeleted }: DeleteDocumentsProps): JSX.Element {
  const { client } = useService();
  const [by, setBy] = useState<'ids' | 'filter'>('ids');
  const [text, setText] = useState('');
  const [deleted, setDeleted] = useState<number | undefined>(undefined);
  const deleting = useAction(async (signal) => {
    setDeleted(undefined);
    const filter = by === 'filter' ? parseFilter(text) : undefined;
    const body = filter === undefined ? { ids: idsOf(text) } : { filter };
    setDeleted(await client.deleteDocuments(corpus, body, { signal }));
    setText('');
    onDeleted();
  });
  return (
    <section class="card">
      <h2>Delete documents</h2>
      <Form onSubmit={() => undefined}>
        <div class="segments" role="group" aria-label="Which documents">
          <button type="button" aria-pressed={by === 'ids'} onClick={() => setBy('ids')}>
            by id
          </button>
          <button type="button" aria-pressed={by === 'filter'} onClick={() => setBy('filter')}>
            by filter
          </button>
        </div>
        <TextArea
          label={by === 'ids' ? 'Ids' : 'Filter'}
          hint={by === 'ids' ? 'one a line' : 'JSON, over metadata'}
          rows={4}
          code
          placeholder={by === 'ids' ? 'apple-winter-cut' : '{"must": [{"key": "lang", "match": {"value": "de"}}]}'}
          value={text}
          onInput={setText}
        />
        <div class="row">
          <ConfirmButton
            label="Delete them"
            title="Delete these documents?"
            disabled={deleting.busy || text.trim() === ''}
            onConfirm={deleting.run}
          >
            {by === 'ids' ? `${whole(idsOf(text).length)} by their ids.` : 'All that the filter finds.'} This cannot be taken back.
          </ConfirmButton>
          <span role="status" class="hint">
            {deleting.busy ? 'Deleting …' : deleted === undefined ? '' : `${whole(deleted)} deleted`}
          </span>
        </div>
        <ProblemNotice error={deleting.error} />
      </Form>
    </section>
  );
}
