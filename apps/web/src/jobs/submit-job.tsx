import type { JobEstimateBody, SubmitJobParameters } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { linkTo } from '../app/route.js';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { bytes, whole } from '../format/numbers.js';
import { duration } from '../format/times.js';
import { Facts } from '../ui/facts.js';
import { CheckField, TextField } from '../ui/field.js';
import { Form } from '../ui/form.js';
import { ProblemNotice } from '../ui/problem-notice.js';

interface Values {
  readonly corpus: string;
  readonly topN: string;
  readonly priority: string;
  readonly strict: boolean;
}

export function jobOf(file: Blob, { corpus, topN, priority, strict }: Values): SubmitJobParameters {
  const defaults = { ...(corpus.trim() === '' ? {} : { corpus: corpus.trim() }), ...(topN === '' ? {} : { top_n: Number(topN) }) };
  return {
    // Opened anew for each attempt, so that a cut upload can be sent again.
    ndjson: () => file.stream(),
    ...(Object.keys(defaults).length === 0 ? {} : { defaults }),
    ...(priority === '' ? {} : { priority: Number(priority) }),
    ...(strict ? { strict } : {}),
  };
}

/** Sends a file of requests as one job, or has it looked at first. */
export function SubmitJob(): JSX.Element {
  const { client } = useService();
  const [file, setFile] = useState<File | undefined>(undefined);
  const [values, setValues] = useState<Values>({ corpus: '', topN: '', priority: '', strict: false });
  const [estimate, setEstimate] = useState<JobEstimateBody | undefined>(undefined);
  const change = (part: Partial<Values>): void => {
    setValues((before) => ({ ...before, ...part }));
    setEstimate(undefined);
  };
  const estimating = useAction(async (signal) => {
    if (file !== undefined) setEstimate(await client.estimateJob(jobOf(file, values), { signal }));
  });
  const submitting = useAction(async (signal) => {
    if (file === undefined) return;
    const job = await client.submitJob(jobOf(file, values), { signal });
    location.hash = linkTo(['jobs', job.id]);
  });
  const busy = estimating.busy || submitting.busy;
  return (
    <details class="card">
      <summary>Submit a job</summary>
      <Form onSubmit={submitting.run}>
        <label>
          <span>
            JSONL file <span class="hint">one request a line: a custom_id with a search, or with query and documents</span>
          </span>
          <input
            type="file"
            accept=".jsonl,.ndjson,.json,application/x-ndjson"
            onChange={(event) => {
              setFile(event.currentTarget.files?.[0]);
              setEstimate(undefined);
            }}
          />
        </label>
        <div class="grid">
          <TextField label="corpus" placeholder="where a line has none" value={values.corpus} onInput={(corpus) => change({ corpus })} />
          <TextField
            label="top_n"
            type="number"
            min={1}
            placeholder="where a line has none"
            value={values.topN}
            onInput={(topN) => change({ topN })}
          />
          <TextField
            label="priority"
            type="number"
            min={0}
            max={100}
            placeholder="50; 0 goes first"
            value={values.priority}
            onInput={(priority) => change({ priority })}
          />
          <div class="checks">
            <CheckField label="strict" checked={values.strict} onChange={(strict) => change({ strict })} />
          </div>
        </div>
        <div class="row">
          <button type="submit" class="primary" disabled={file === undefined || busy}>
            {submitting.busy ? 'Sending …' : 'Submit'}
          </button>
          <button type="button" disabled={file === undefined || busy} onClick={estimating.run}>
            {estimating.busy ? 'Looking …' : 'Estimate'}
          </button>
          {file !== undefined && <span class="hint">{bytes(file.size)}</span>}
        </div>
        <div aria-live="polite">{estimate !== undefined && <Estimate estimate={estimate} />}</div>
        <ProblemNotice error={submitting.error ?? estimating.error} />
      </Form>
    </details>
  );
}

function Estimate({ estimate: { requests, rejected, pairs, tokens, seconds, errors } }: { estimate: JobEstimateBody }): JSX.Element {
  return (
    <>
      <Facts
        of={[
          ['requests', whole(requests)],
          ['bad lines', whole(rejected)],
          ['pairs', whole(pairs)],
          ['tokens', whole(tokens)],
          ['takes', seconds === undefined ? 'no worker is live' : `about ${duration(seconds)}`],
        ]}
      />
      {errors.length > 0 && (
        <ul>
          {errors.map(({ row, code, detail }) => (
            <li key={row}>
              line {row}: <code>{code}</code> {detail}
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
