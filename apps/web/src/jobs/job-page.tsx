import { hasEnded } from '@rerank-fleet/client';
import type { BatchJobBody, IngestJobBody } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { linkTo } from '../app/route.js';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { ConfirmButton } from '../ui/confirm-button.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { StatusBadge } from '../ui/status-badge.js';
import { Table } from '../ui/table.js';
import { JobProgress } from './job-progress.js';
import { JobResults } from './job-results.js';
import { useJob } from './use-job.js';

export function JobPage({ id }: { id: string }): JSX.Element {
  const { job, error, reload } = useJob(id);
  return (
    <>
      <p class="fine">
        <a href={linkTo(['jobs'])}>Jobs</a>
      </p>
      <ProblemNotice error={error} />
      {job === undefined ? (
        error === undefined && <p class="busy">Asking …</p>
      ) : (
        <>
          <section class="card">
            <div class="heading">
              <h1>{job.kind === 'ingest' ? 'Upload' : 'Batch'}</h1>
              <code>{job.id}</code>
              <StatusBadge status={job.status} />
            </div>
            <JobProgress job={job} />
            {job.kind === 'batch' ? <BatchControls job={job} onChange={reload} /> : <RowErrors job={job} />}
          </section>
          {job.kind === 'batch' && <JobResults job={job} />}
        </>
      )}
    </>
  );
}

function BatchControls({ job, onChange }: { job: BatchJobBody; onChange: () => void }): JSX.Element {
  const { client } = useService();
  const cancel = useAction(async (signal) => {
    await client.cancelJob(job.id, { signal });
    onChange();
  });
  const retry = useAction(async (signal) => {
    const next = await client.retryJob(job.id, { signal });
    location.hash = linkTo(['jobs', next.id]);
  });
  const remove = useAction(async (signal) => {
    await client.deleteJob(job.id, { signal });
    location.hash = linkTo(['jobs']);
  });
  const ended = hasEnded(job);
  const busy = cancel.busy || retry.busy || remove.busy;
  return (
    <>
      {job.error !== undefined && (
        <p class="notice bad">
          <strong>{job.error.code}</strong> {job.error.detail}
        </p>
      )}
      <div class="row end">
        {!ended && (
          <button type="button" class="danger" disabled={busy || job.status === 'cancelling'} onClick={cancel.run}>
            Cancel the job
          </button>
        )}
        {ended && job.request_counts.errored > 0 && (
          <button type="button" disabled={busy} onClick={retry.run}>
            Retry what errored
          </button>
        )}
        {ended && (
          <ConfirmButton label="Delete the job" title="Delete this job?" disabled={busy} onConfirm={remove.run}>
            Its requests and its results go. This cannot be taken back.
          </ConfirmButton>
        )}
      </div>
      <ProblemNotice error={cancel.error ?? retry.error ?? remove.error} />
    </>
  );
}

function RowErrors({ job: { errors } }: { job: IngestJobBody }): JSX.Element | null {
  if (errors.length === 0) return null;
  return (
    <Table caption="Documents that were not stored" columns={['Line', 'Document', 'What is wrong']}>
      {errors.map(({ line, document_id: documentId, code, detail }) => (
        <tr key={`${line}-${detail}`}>
          <td>{line}</td>
          <td>{documentId ?? '–'}</td>
          <td>
            <code>{code}</code> {detail}
          </td>
        </tr>
      ))}
    </Table>
  );
}
