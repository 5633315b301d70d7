import type { BlobStore } from '../../ports/index.js';
import type { BatchJobs } from '../batch/batch-jobs.js';
import { timeOfJobId } from '../job-id.js';
import { BATCHES, contentKey, CONTENTS, FILES, idOfKey } from './file-layout.js';
import { FILE_KEPT_MS, isFileId, type FileStore } from './file-store.js';
import type { OpenAiBatches } from './openai-batches.js';

export interface FilePurgeParts {
  readonly blobs: Pick<BlobStore, 'list' | 'delete'>;
  readonly files: FileStore;
  readonly batches: OpenAiBatches;
  readonly jobs: Pick<BatchJobs, 'isThere'>;
  /** Called when a file is no more, at least once. */
  readonly onRemoved: (tenant: string, id: string) => Promise<void>;
  readonly log: { error(fields: object, message: string): void };
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** An upload that takes longer is none any more. */
const UPLOAD_MS = 24 * 3_600_000;

/** Removes what nobody will ask for any more. It may run in many processes at once, and be cut off anywhere: the next one goes on. */
export async function purgeFiles(parts: FilePurgeParts): Promise<void> {
  const { blobs, files, batches, log } = parts;
  const attempt = async (id: string, work: () => Promise<void>): Promise<void> => {
    await work().catch((error: unknown) => log.error({ err: error, id }, 'A file or batch could not be removed; it is tried again.'));
  };
  for await (const { tenant, id } of namesIn(blobs, FILES)) {
    await attempt(id, async () => {
      if ((await files.find(tenant, id)) !== undefined) return;
      // Told first: nobody else looks for a file whose entry is gone.
      await parts.onRemoved(tenant, id);
      await files.delete(tenant, id);
    });
  }
  for await (const key of blobs.list(CONTENTS)) {
    const [, , tenant = '', id = ''] = key.split('/');
    if (!isFileId(id) || timeOfFileId(id) >= parts.now() - UPLOAD_MS) continue;
    await attempt(id, async () => {
      if ((await files.find(tenant, id)) === undefined) await blobs.delete(contentKey(tenant, id));
    });
  }
  for await (const name of namesIn(blobs, BATCHES)) {
    await attempt(name.id, async () => {
      if (await isOver(parts, name)) await batches.remove(name);
    });
  }
}

async function isOver({ batches, jobs, now }: FilePurgeParts, name: { readonly tenant: string; readonly id: string }): Promise<boolean> {
  const ended = await batches.ended(name);
  if (ended !== undefined) return ended.ended_ms < now() - FILE_KEPT_MS;
  // Its input was checked, so it became a job. That is asked last: it may have become one just now.
  return (await batches.holder(name)) === undefined && !(await jobs.isThere(name));
}

const timeOfFileId = (id: string): number => timeOfJobId(id.replace('file-', 'job_'));

async function* namesIn(
  blobs: Pick<BlobStore, 'list'>,
  folder: string,
): AsyncGenerator<{ readonly tenant: string; readonly id: string }, void, undefined> {
  for await (const key of blobs.list(folder)) yield { tenant: key.split('/')[2] ?? '', id: idOfKey(key) };
}
