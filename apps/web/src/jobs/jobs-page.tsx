import type { JobBody } from '@rerank-fleet/core/contracts';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { linkTo } from '../app/route.js';
import { useService } from '../app/service.js';
import { useCall } from '../app/use-call.js';
import { percent, whole } from '../format/numbers.js';
import { Choice } from '../ui/field.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { StatusBadge } from '../ui/status-badge.js';
import { numeric, Table } from '../ui/table.js';
import { When } from '../ui/when.js';
import { doneOf } from './counts-of.js';
import { SubmitJob } from './submit-job.js';

const PAGE = 25;
const REFRESH_MS = 4_000;

const KINDS = [
  ['', 'all'],
  ['batch', 'batches'],
  ['ingest', 'uploads'],
] as const;
const STATUSES = ['queued', 'in_progress', 'finalizing', 'completed', 'failed', 'expired', 'cancelling', 'cancelled'] as const;
type Kind = (typeof KINDS)[number][0];
type Status = (typeof STATUSES)[number] | '';

/** @param query `kind` and `status`, so that a filtered list has an address */
export function JobsPage({ query }: { query: Readonly<Record<string, string>> }): JSX.Element {
  const { client } = useService();
  const kind = KINDS.find(([name]) => name === query['kind'])?.[0] ?? '';
  const status = STATUSES.find((name) => name === query['status']) ?? '';
  const show = (filter: { kind: Kind; status: Status }): void => {
    location.hash = linkTo(['jobs'], filter);
  };
  return (
    <>
      <h1>Jobs</h1>
      <SubmitJob />
      <section class="card">
        <div class="grid">
          <Choice label="Kind" value={kind} options={KINDS} onChange={(chosen) => show({ kind: chosen, status })} />
          <Choice
            label="Status"
            value={status}
            options={[['', 'all'], ...STATUSES.map((name) => [name, name.replaceAll('_', ' ')] as const)]}
            onChange={(chosen) => show({ kind, status: chosen })}
          />
        </div>
        <JobList key={`${kind} ${status}`} client={client} kind={kind} status={status} />
      </section>
    </>
  );
}

interface JobListProps {
  readonly client: ReturnType<typeof useService>['client'];
  readonly kind: Kind;
  readonly status: Status;
}

function JobList({ client, kind, status }: JobListProps): JSX.Element {
  /** Cursors of the pages before this one and of this one; the newest jobs have none. */
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const after = cursors.at(-1);
  const page = useCall(
    (signal) =>
      client.jobPage({
        signal,
        pageSize: PAGE,
        ...(after === undefined ? {} : { after }),
        ...(kind === '' ? {} : { kind }),
        ...(status === '' ? {} : { status }),
      }),
    [kind, status, after],
    { everyMs: REFRESH_MS },
  );
  const next = page.value?.next;
  return (
    <>
      <ProblemNotice error={page.error} />
      {page.value === undefined && page.error === undefined && <p class="busy">Asking …</p>}
      {page.value?.data.length === 0 && <p class="empty">There are none.</p>}
      {(page.value?.data.length ?? 0) > 0 && <JobTable jobs={page.value?.data ?? []} />}
      {(after !== undefined || next !== undefined) && (
        <div class="row end">
          <button type="button" disabled={after === undefined} onClick={() => setCursors(cursors.slice(0, -1))}>
            Newer
          </button>
          <button type="button" disabled={next === undefined} onClick={() => next !== undefined && setCursors([...cursors, next])}>
            Older
          </button>
        </div>
      )}
    </>
  );
}

function JobTable({ jobs }: { jobs: readonly JobBody[] }): JSX.Element {
  return (
    <Table columns={['Job', 'Kind', 'Status', numeric('Done'), numeric('Errored'), 'Created']}>
      {jobs.map((job) => (
        <tr key={job.id}>
          <td>
            <a href={linkTo(['jobs', job.id])}>
              <code>{job.id}</code>
            </a>
          </td>
          <td>{job.kind === 'ingest' ? `upload to ${job.corpus}` : 'batch'}</td>
          <td>
            <StatusBadge status={job.status} />
          </td>
          <td class="number">
            {whole(doneOf(job))} of {whole(job.request_counts.total)}
            {job.request_counts.processing > 0 && ` (${percent(doneOf(job) / job.request_counts.total)})`}
          </td>
          <td class="number">{whole(job.request_counts.errored)}</td>
          <td>
            <When at={job.created_at} />
          </td>
        </tr>
      ))}
    </Table>
  );
}
