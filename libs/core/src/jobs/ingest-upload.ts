import type { Document } from '../domain/index.js';
import type { ErrorCode } from '../errors/index.js';
import type { BlobStore } from '../ports/index.js';
import { ingestIndexKey } from './batch/batch-layout.js';
import { INGEST_ERRORS_KEPT } from './describe-ingest-job.js';
import type { IngestJobRecord, RowError } from './ingest-job-record.js';
import { jobFolder, jobKey, sliceKey } from './ingest-layout.js';
import { newJobId } from './job-id.js';

/** A slice is one task; it ends at whichever bound comes first. */
const SLICE_DOCUMENTS = 256;
const SLICE_CHARACTERS = 4_000_000;

export interface IngestRow {
  /** Counts from 1. */
  readonly line: number;
  readonly document: Document;
}

export interface IngestRejection {
  readonly line: number;
  readonly documentId?: string;
  readonly code: ErrorCode;
  readonly detail: string;
}

/** One upload on its way to becoming a job. Rows are kept a slice at a time, whatever the upload's length. */
export class IngestUpload {
  readonly id = newJobId(Date.now());
  readonly #blobs: BlobStore;
  readonly #corpus: { readonly tenant: string; readonly corpus: string; readonly corpusId: string };
  readonly #sliceSizes: number[] = [];
  readonly #errors: RowError[] = [];
  /** As JSON: what counts against the bound is all that a row holds, its metadata too. */
  #rows: string[] = [];
  #characters = 0;
  #total = 0;
  #rejected = 0;

  constructor(blobs: BlobStore, corpus: { readonly tenant: string; readonly corpus: string; readonly corpusId: string }) {
    this.#blobs = blobs;
    this.#corpus = corpus;
  }

  /** Rows that were stored or are held so far, bad ones included. */
  get total(): number {
    return this.#total;
  }

  /** @throws RerankError `storage_full` */
  async add(row: IngestRow): Promise<void> {
    this.#total += 1;
    const text = JSON.stringify(row);
    if (this.#characters + text.length > SLICE_CHARACTERS) await this.#flush();
    this.#rows.push(text);
    this.#characters += text.length;
    if (this.#rows.length >= SLICE_DOCUMENTS || this.#characters >= SLICE_CHARACTERS) await this.#flush();
  }

  reject({ line, documentId, code, detail }: IngestRejection): void {
    this.#total += 1;
    this.#rejected += 1;
    if (this.#errors.length < INGEST_ERRORS_KEPT)
      this.#errors.push({ line, code, detail, ...(documentId === undefined ? {} : { document_id: documentId }) });
  }

  /**
   * Makes the job visible. `seq` gives the first of n sequence numbers; slices take them in order, so that of two rows with one id the later wins.
   *
   * @throws RerankError `storage_full`, `queue_unavailable`
   */
  async commit(seq: (count: number) => Promise<number>): Promise<IngestJobRecord> {
    await this.#flush();
    const first = this.#sliceSizes.length === 0 ? 0 : await seq(this.#sliceSizes.length);
    const record: IngestJobRecord = {
      id: this.id,
      tenant: this.#corpus.tenant,
      corpus: this.#corpus.corpus,
      corpus_id: this.#corpus.corpusId,
      created_ms: Date.now(),
      total: this.#total,
      rejected: this.#rejected,
      errors: this.#errors,
      slices: this.#sliceSizes.map((documents, position) => ({ seq: first + position, documents })),
    };
    await this.#blobs.put(ingestIndexKey(record.tenant, this.id), '');
    await this.#blobs.put(jobKey(record.tenant, this.id), JSON.stringify(record));
    return record;
  }

  /** Leaves nothing behind. */
  async abandon(): Promise<void> {
    await this.#blobs.deleteUnder(jobFolder(this.#corpus.tenant, this.id));
    await this.#blobs.delete(ingestIndexKey(this.#corpus.tenant, this.id));
  }

  async #flush(): Promise<void> {
    if (this.#rows.length === 0) return;
    await this.#blobs.put(sliceKey(this.#corpus.tenant, this.id, this.#sliceSizes.length), this.#rows.join('\n'));
    this.#sliceSizes.push(this.#rows.length);
    this.#rows = [];
    this.#characters = 0;
  }
}
