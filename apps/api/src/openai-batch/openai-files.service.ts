import {
  openAiFileFieldsSchema,
  type OpenAiDeletedFile,
  type OpenAiFile,
  type OpenAiFileList,
  type OpenAiFileQuery,
} from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import { isFileId, type BatchJobs, type FileStore, type OpenAiBatches, type StoredFile } from '@rerank-fleet/core/jobs';
import type { FileAdmission } from '../admission/file-admission.js';
import type { BodySource } from '../http/body-bytes.js';
import type { RequestContext } from '../http/request-context.js';
import type { StreamSource } from '../http/send-stream.js';
import { parseWith } from '../http/zod-faults.js';
import { CountedUpload } from './counted-upload.js';
import { batchIdOf, outputIdOf, outputOf } from './batch-ids.js';
import { outputLines, type OutputSource } from './output-lines.js';
import { pageOf } from './page-of.js';
import { readFileForm } from './read-file-form.js';

export interface OpenAiFilesParts {
  readonly files: FileStore;
  readonly batches: OpenAiBatches;
  readonly jobs: BatchJobs;
  /** Of an upload. */
  readonly maxBytes: number;
  readonly admission: FileAdmission;
}

type Caller = Pick<RequestContext, 'tenant'>;

/** Files as OpenAI's clients see them: those that were uploaded, and those that batches end with, which are made as they are read. */
export class OpenAiFilesService {
  readonly #parts: OpenAiFilesParts;

  constructor(parts: OpenAiFilesParts) {
    this.#parts = parts;
  }

  /**
   * Keeps an uploaded file; nothing is left of one that is refused, or cut short.
   *
   * @throws RerankError `invalid_request`, `payload_too_large`, `overloaded`, `unsupported_media_type`, `storage_full`, `blob_store_unavailable`,
   *   `queue_unavailable`
   */
  async upload(body: BodySource, { tenant, signal, sentBytes }: RequestContext): Promise<OpenAiFile> {
    const { files, maxBytes, admission } = this.#parts;
    const id = files.newId();
    const upload = new CountedUpload(id);
    try {
      const place = await admission.begin(tenant, upload, sentBytes);
      const form = await readFileForm(body, { maxBytes, write: (content) => files.write(tenant, id, upload.through(content, place)) });
      const fields = parseWith(openAiFileFieldsSchema, form.fields, 'The form');
      signal.throwIfAborted();
      const expiresAfterS = fields['expires_after[seconds]'];
      const expiresAfterMs = expiresAfterS === undefined ? undefined : expiresAfterS * 1_000;
      await place.settle({ rows: 1, bytes: form.written });
      const file = await files.publish(tenant, { id, bytes: form.written, filename: form.filename, expiresAfterMs });
      // It is there now; what Redis does not hear of it is settled later.
      await admission.keep(tenant, file).catch(() => undefined);
      return fileBody(file);
    } catch (error) {
      // What cannot be cleared away now is found by the purge.
      await files.delete(tenant, id).catch(() => undefined);
      await admission.leave(tenant, id).catch(() => undefined);
      throw error;
    }
  }

  /** @throws RerankError `file_not_found`, also for another tenant's */
  async get(id: string, { tenant }: Caller): Promise<OpenAiFile> {
    const output = await this.#output(id, tenant);
    if (output === undefined) return fileBody(await this.#uploaded(id, tenant));
    const { record, done, kind } = output;
    return {
      id: outputIdOf(record.id, kind),
      object: 'file',
      bytes: await this.#bytesOf(output),
      created_at: seconds(done.ended_ms),
      filename: `${batchIdOf(record.id)}_${kind}.jsonl`,
      purpose: 'batch_output',
      status: 'processed',
    };
  }

  /**
   * What the file holds. Whoever asks reads it to its end, or ends it.
   *
   * @throws RerankError `file_not_found`
   */
  async content(id: string, { tenant }: Caller): Promise<StreamSource> {
    const { files, jobs } = this.#parts;
    const output = await this.#output(id, tenant);
    if (output !== undefined) return outputLines(jobs, output);
    const content = await files.content(tenant, await this.#uploaded(id, tenant));
    if (content === undefined) throw fileNotFound();
    return content;
  }

  /**
   * Files of batches are not listed: the batches name them.
   *
   * @throws RerankError `invalid_request`
   */
  async list({ after, limit, order, purpose }: OpenAiFileQuery, { tenant }: Caller): Promise<OpenAiFileList> {
    const { files } = this.#parts;
    if (after !== undefined && !isFileId(after))
      throw new RerankError('invalid_request', '/after: is no id of an uploaded file.', {
        errors: [{ pointer: '/after', detail: 'is no id of an uploaded file' }],
      });
    return await pageOf(files.list(tenant, { after, order }), limit, async (id) => {
      const file = await files.find(tenant, id);
      return file === undefined || (purpose !== undefined && file.purpose !== purpose) ? undefined : fileBody(file);
    });
  }

  /** @throws RerankError `file_not_found` */
  async delete(id: string, { tenant }: Caller): Promise<OpenAiDeletedFile> {
    const { files, batches, admission } = this.#parts;
    const output = await this.#output(id, tenant);
    if (output !== undefined) await batches.deleteOutput(output.record, output.kind);
    else {
      await files.delete(tenant, (await this.#uploaded(id, tenant)).id);
      await admission.leave(tenant, id).catch(() => undefined);
    }
    return { id, object: 'file', deleted: true };
  }

  async #uploaded(id: string, tenant: string): Promise<StoredFile> {
    const file = await this.#parts.files.find(tenant, id);
    if (file === undefined) throw fileNotFound();
    return file;
  }

  /**
   * Undefined if the id is that of an uploaded file.
   *
   * @throws RerankError `file_not_found` where the batch has no such file, or not yet
   */
  async #output(id: string, tenant: string): Promise<OutputSource | undefined> {
    const { batches, jobs } = this.#parts;
    const named = outputOf(id);
    if (named === undefined) return undefined;
    const name = { tenant, id: named.job };
    const record = (await batches.find(tenant, named.job)) && (await jobs.isThere(name)) ? await jobs.record(tenant, named.job) : undefined;
    const done = record && (await jobs.done(record));
    if (record === undefined || done === undefined) throw fileNotFound();
    const { total, succeeded } = done.request_counts;
    const lines = named.kind === 'output' ? succeeded : total - succeeded;
    if (lines === 0 || (await batches.isOutputDeleted(record, named.kind))) throw fileNotFound();
    return { record, done, kind: named.kind };
  }

  /** Counted once: a job that has ended never changes. */
  async #bytesOf(output: OutputSource): Promise<number> {
    const { batches, jobs } = this.#parts;
    const known = await batches.outputBytes(output.record, output.kind);
    if (known !== undefined) return known;
    let bytes = 0;
    for await (const chunk of outputLines(jobs, output)) bytes += chunk.length;
    await batches.noteOutputBytes(output.record, output.kind, bytes);
    return bytes;
  }
}

const seconds = (epochMs: number): number => Math.floor(epochMs / 1_000);
const fileNotFound = (): RerankError => new RerankError('file_not_found', 'There is no file of this id.');

function fileBody({ id, bytes, filename, purpose, created_ms, expires_ms }: StoredFile): OpenAiFile {
  return {
    id,
    object: 'file',
    bytes,
    created_at: seconds(created_ms),
    expires_at: seconds(expires_ms),
    filename,
    purpose,
    status: 'processed',
  };
}
