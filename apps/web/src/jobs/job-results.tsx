import { hasEnded, type BatchJobBody, type JobResultLine, type RerankClient } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { useCall } from '../app/use-call.js';
import { score, whole } from '../format/numbers.js';
import { Choice } from '../ui/field.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { saveFile } from '../ui/save-file.js';
import { StatusBadge } from '../ui/status-badge.js';
import { Table } from '../ui/table.js';

type Which = 'all' | 'succeeded' | 'errored' | 'cancelled' | 'expired';

const WHICH: readonly (readonly [Which, string])[] = [
  ['all', 'all rows'],
  ['succeeded', 'succeeded'],
  ['errored', 'errored'],
  ['cancelled', 'cancelled'],
  ['expired', 'expired'],
];
const SHOWN = 20;

/** The first results, as many as fit a page, and all of them as a file. */
export function JobResults({ job }: { job: BatchJobBody }): JSX.Element {
  const { client } = useService();
  const [which, setWhich] = useState<Which>('all');
  const { succeeded, errored } = job.request_counts;
  // More rows can only change what is shown until the page is full.
  const seen = Math.min(SHOWN, succeeded + errored);
  const first = useCall((signal) => firstLines(client, { job, which, signal }), [job.id, which, seen, hasEnded(job)]);
  return (
    <section class="card">
      <div class="heading">
        <h2>Results</h2>
        <span class="hint">the first {SHOWN}; also while the job runs</span>
        <span class="spring" />
        <Download job={job} which={which} />
      </div>
      <div class="grid">
        <Choice label="Rows" value={which} options={WHICH} onChange={setWhich} />
      </div>
      <ProblemNotice error={first.error} />
      {first.value?.length === 0 && <p class="empty">None yet.</p>}
      {(first.value?.length ?? 0) > 0 && <Lines lines={first.value ?? []} />}
    </section>
  );
}

function Lines({ lines }: { lines: readonly JobResultLine[] }): JSX.Element {
  return (
    <Table columns={['Row', 'custom_id', 'Status', 'Best result, or what is wrong']}>
      {lines.map((line) => (
        <tr key={line.cursor}>
          <td>{line.row}</td>
          <td>{line.custom_id ?? '–'}</td>
          <td>
            <StatusBadge status={line.status} />
          </td>
          <td>{gist(line)}</td>
        </tr>
      ))}
    </Table>
  );
}

export function gist({ result, error }: JobResultLine): string {
  if (error !== undefined) return `${error.code}: ${error.message}`;
  const best = result?.results[0];
  if (best === undefined) return result === undefined ? '–' : 'nothing found';
  const name = 'document_id' in best ? (best.title ?? best.document_id) : `document ${best.index}`;
  return best.relevance_score === undefined ? name : `${name} (${score(best.relevance_score)})`;
}

interface Reading {
  readonly job: BatchJobBody;
  readonly which: Which;
  readonly signal: AbortSignal;
}

const linesOf = (client: RerankClient, { job, which, signal }: Reading): AsyncGenerator<JobResultLine, void, undefined> =>
  client.jobResults(job.id, { signal, ...(which === 'all' ? {} : { status: which }) });

async function firstLines(client: RerankClient, reading: Reading): Promise<JobResultLine[]> {
  const lines: JobResultLine[] = [];
  for await (const line of linesOf(client, reading)) {
    lines.push(line);
    if (lines.length === SHOWN) break;
  }
  return lines;
}

/** Lines that are joined into one part of the file. */
const LINES_OF_PART = 1_000;

function Download({ job, which }: { job: BatchJobBody; which: Which }): JSX.Element {
  const { client } = useService();
  const [lines, setLines] = useState(0);
  const download = useAction(async (signal) => {
    const parts: Blob[] = [];
    let texts: string[] = [];
    let count = 0;
    setLines(0);
    for await (const line of linesOf(client, { job, which, signal })) {
      texts.push(`${JSON.stringify(line)}\n`);
      count += 1;
      if (texts.length < LINES_OF_PART) continue;
      // A browser may keep a blob on disk, a text it cannot.
      parts.push(new Blob(texts));
      texts = [];
      setLines(count);
    }
    saveFile(`${job.id}${which === 'all' ? '' : `-${which}`}.ndjson`, new Blob([...parts, ...texts], { type: 'application/x-ndjson' }));
  });
  return (
    <>
      {download.busy && <span class="hint">{whole(lines)} lines …</span>}
      <button type="button" class="small" onClick={download.busy ? download.stop : download.run}>
        {download.busy ? 'Stop' : 'Download NDJSON'}
      </button>
      <ProblemNotice error={download.error} />
    </>
  );
}
