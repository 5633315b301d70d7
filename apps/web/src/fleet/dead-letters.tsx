import type { DeadLetterBody, RetriedDeadLetterBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { linkTo } from '../app/route.js';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { useCall } from '../app/use-call.js';
import { whole } from '../format/numbers.js';
import { ConfirmButton } from '../ui/confirm-button.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { numeric, Table } from '../ui/table.js';
import { When } from '../ui/when.js';

const SHOWN = 50;

/** Tasks that will not be tried again by themselves. */
export function DeadLetters({ everyMs }: { everyMs: number }): JSX.Element {
  const { client } = useService();
  const letters = useCall((signal) => client.admin.listDeadLetters({ limit: SHOWN, signal }), [], { everyMs });
  const [retried, setRetried] = useState<RetriedDeadLetterBody | undefined>(undefined);
  const retrying = useAction(async (signal, id: string) => {
    setRetried(await client.admin.retryDeadLetter(id, { signal }));
    letters.reload();
  });
  const removing = useAction(async (signal, id: string) => {
    await client.admin.deleteDeadLetter(id, { signal });
    letters.reload();
  });
  const retriedJob = retried?.retry_job_id ?? retried?.job_id;
  const { data = [], total = 0 } = letters.value ?? {};
  return (
    <>
      <ProblemNotice error={letters.error ?? retrying.error ?? removing.error} />
      <p role="status" class="fine">
        {retried !== undefined && (
          <>
            Tried again
            {retriedJob !== undefined && (
              <>
                , of <JobLink id={retriedJob} />
              </>
            )}
            .
          </>
        )}
      </p>
      {letters.value !== undefined && total === 0 && <p class="empty">There are none.</p>}
      {data.length > 0 && (
        <Table columns={['Queue', 'Job', numeric('Attempts'), 'Failed', 'Last fault']} actions>
          {data.map((letter) => (
            <Row
              key={letter.id}
              letter={letter}
              busy={retrying.busy || removing.busy}
              onRetry={() => retrying.run(letter.id)}
              onDelete={() => removing.run(letter.id)}
            />
          ))}
        </Table>
      )}
      {total > data.length && (
        <p class="hint">
          The newest {whole(data.length)} of {whole(total)}.
        </p>
      )}
    </>
  );
}

interface RowProps {
  readonly letter: DeadLetterBody;
  readonly busy: boolean;
  readonly onRetry: () => void;
  readonly onDelete: () => void;
}

function Row({ letter, busy, onRetry, onDelete }: RowProps): JSX.Element {
  return (
    <tr>
      <td>
        {letter.queue}
        {letter.tenant !== undefined && <p class="fine">tenant {letter.tenant}</p>}
      </td>
      <td>
        {letter.job_id === undefined ? (letter.corpus ?? '–') : <JobLink id={letter.job_id} />}
        {letter.slice !== undefined && <p class="fine">slice {letter.slice}</p>}
      </td>
      <td class="number">{whole(letter.attempts)}</td>
      <td>
        <When at={letter.failed_at} />
      </td>
      <td>{letter.detail}</td>
      <td class="actions">
        <button type="button" class="small" disabled={busy} onClick={onRetry}>
          Retry
        </button>
        <ConfirmButton label="Delete" title="Delete this dead letter?" small disabled={busy} onConfirm={onDelete}>
          What it would have done is not done. This cannot be taken back.
        </ConfirmButton>
      </td>
    </tr>
  );
}

function JobLink({ id }: { id: string }): JSX.Element {
  return (
    <a href={linkTo(['jobs', id])}>
      <code>{id}</code>
    </a>
  );
}
