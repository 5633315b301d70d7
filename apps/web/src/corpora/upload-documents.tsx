import type { IngestJobBody, UploadProgress } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { linkTo } from '../app/route.js';
import { useService } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { bytes, whole } from '../format/numbers.js';
import { JobProgress } from '../jobs/job-progress.js';
import { TextArea } from '../ui/field.js';
import { Form } from '../ui/form.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import { readDocuments, readPasted } from './read-documents.js';

export interface UploadDocumentsProps {
  readonly corpus: string;
  readonly onStored: () => void;
}

/** Stores documents of a file or of what is pasted, and shows how far it is. */
export function UploadDocuments({ corpus, onStored }: UploadDocumentsProps): JSX.Element {
  const { client } = useService();
  const [file, setFile] = useState<File | undefined>(undefined);
  const [pasted, setPasted] = useState('');
  const [sent, setSent] = useState<UploadProgress | undefined>(undefined);
  const [job, setJob] = useState<IngestJobBody | undefined>(undefined);
  const uploading = useAction(async (signal) => {
    setJob(undefined);
    setSent(undefined);
    const source = file === undefined ? readPasted(pasted) : readDocuments(file);
    await client.ingest(corpus, source, { wait: true, signal, onUpload: setSent, onAccepted: setJob, onProgress: setJob });
    setPasted('');
    onStored();
  });
  return (
    <section class="card">
      <h2>Add documents</h2>
      <Form onSubmit={uploading.run}>
        <label>
          <span>
            File <span class="hint">JSON lines, or a JSON array, of id, title, text, metadata; only text is needed</span>
          </span>
          <input
            type="file"
            accept=".jsonl,.ndjson,.json,application/json,application/x-ndjson"
            onChange={(event) => setFile(event.currentTarget.files?.[0])}
          />
        </label>
        {file === undefined && (
          <TextArea
            label="Or paste them"
            hint="as in a file, or texts with a blank line between"
            rows={5}
            value={pasted}
            onInput={setPasted}
            onSubmit={uploading.run}
          />
        )}
        <div class="row">
          <button type="submit" class="primary" disabled={uploading.busy || (file === undefined && pasted.trim() === '')}>
            {uploading.busy ? 'Storing …' : 'Store'}
          </button>
          {uploading.busy && job === undefined && sent !== undefined && (
            <span class="hint">
              {whole(sent.documents)} documents, {bytes(sent.bytes)} read
            </span>
          )}
        </div>
        <ProblemNotice error={uploading.error} />
      </Form>
      {job !== undefined && (
        <>
          <p class="fine">
            <a href={linkTo(['jobs', job.id])}>This upload as a job</a>
          </p>
          <JobProgress job={job} />
        </>
      )}
    </section>
  );
}
