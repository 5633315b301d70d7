import {
  documentIdSchema,
  type deleteDocumentsRequestSchema,
  type DocumentBody,
  type DocumentListBody,
  type IngestJobBody,
} from '@rerank-fleet/core/contracts';
import type { CorpusRecord, StoredDocument } from '@rerank-fleet/core/domain';
import { RerankError, type FieldError } from '@rerank-fleet/core/errors';
import { sliceTaskId, type IngestJobRecord, type IngestJobs, type IngestRejection } from '@rerank-fleet/core/jobs';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import type { Logger } from 'pino';
import type { z } from 'zod';
import type { TaskDispatcher } from '../dispatch/task-dispatcher.js';
import { untilTaken } from '../dispatch/until-taken.js';
import type { RequestContext } from '../http/request-context.js';
import { DEFAULT_POOL } from '@rerank-fleet/core/requests';
import type { CorporaService } from './corpora.service.js';
import type { DocumentPageQuery } from './document-queries.js';
import { readPage } from './read-page.js';
import { asDocument, type DocumentRow } from './read-documents.js';

export interface DocumentsServiceParts {
  readonly corpora: CorporaService;
  readonly documents: Pick<DocumentStore, 'findDocument' | 'scanDocuments'>;
  readonly dispatcher: Pick<TaskDispatcher, 'submit'>;
  readonly jobs: Pick<IngestJobs, 'begin' | 'find'>;
  readonly sequence: { next(count?: number): Promise<number> };
  readonly logger: Logger;
}

/** Faults of an upload without one good row that are told at once. */
const MAX_FAULTS = 20;

/** Documents of a corpus: uploads become jobs, deletions wait for the worker. */
export class DocumentsService {
  readonly #parts: DocumentsServiceParts;

  constructor(parts: DocumentsServiceParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `corpus_not_found`, `document_not_found` */
  async get(tenant: string, corpus: string, id: string): Promise<StoredDocument> {
    const record = await this.#parts.corpora.requireOwn(tenant, corpus);
    const isId = documentIdSchema.safeParse(id).success;
    const document = isId ? await this.#parts.documents.findDocument(record, id) : undefined;
    if (document === undefined) throw new RerankError('document_not_found', 'There is no document of this id in the corpus.');
    return document;
  }

  /** A page of the documents as they are stored. @throws RerankError `corpus_not_found`, `invalid_request` */
  async list(tenant: string, corpus: string, query: DocumentPageQuery): Promise<DocumentListBody> {
    return await readPage(this.#parts.documents, await this.#parts.corpora.requireOwn(tenant, corpus), query);
  }

  /**
   * Takes documents in. Resolves when the job is durable; nothing of an upload that fails before can ever be seen.
   *
   * @throws RerankError `corpus_not_found`, `invalid_request` (no good row, or a corpus whose documents are kept elsewhere), `storage_full`, `queue_unavailable`
   */
  async ingest(corpus: string, rows: AsyncIterable<DocumentRow>, context: RequestContext): Promise<IngestJobBody> {
    const record = await this.#parts.corpora.requireOwn(context.tenant, corpus);
    const job = await this.#accept(record, rows, context);
    await this.#enqueue(job, context);
    return (await this.#parts.jobs.find(context.tenant, job.id)) ?? missing(job.id);
  }

  /** Documents that go when their deletion has been done by a worker. */
  async delete(corpus: string, selection: z.infer<typeof deleteDocumentsRequestSchema>, context: RequestContext): Promise<number> {
    const record = await this.#parts.corpora.requireOwn(context.tenant, corpus);
    const seq = await this.#parts.sequence.next();
    const chosen = {
      ...(selection.ids === undefined ? {} : { ids: selection.ids }),
      ...(selection.filter === undefined ? {} : { filter: selection.filter }),
    };
    const outcome = await this.#parts.corpora.change(
      { kind: 'corpus', corpus, change: { op: 'delete_documents', corpus_id: record.corpusId, seq, ...chosen } },
      context,
    );
    return outcome.deleted ?? 0;
  }

  /** @throws RerankError `document_not_found` */
  async deleteOne(corpus: string, id: string, context: RequestContext): Promise<void> {
    await this.get(context.tenant, corpus, id);
    await this.delete(corpus, { ids: [id] }, context);
  }

  async #accept(record: CorpusRecord, rows: AsyncIterable<DocumentRow>, context: RequestContext): Promise<IngestJobRecord> {
    const upload = this.#parts.jobs.begin({ tenant: record.tenant, corpus: record.corpus, corpusId: record.corpusId });
    const rejections: IngestRejection[] = [];
    let accepted = 0;
    try {
      for await (const entry of rows) {
        context.signal.throwIfAborted();
        if ('rejection' in entry) {
          upload.reject(entry.rejection);
          if (rejections.length < MAX_FAULTS) rejections.push(entry.rejection);
        } else {
          await upload.add(entry.row);
          accepted += 1;
        }
      }
      if (accepted === 0) throw nothingReadable(rejections);
      context.signal.throwIfAborted();
      return await upload.commit((count) => this.#parts.sequence.next(count));
    } catch (error) {
      await upload
        .abandon()
        .catch((fault: unknown) =>
          this.#parts.logger.warn({ err: fault, job: upload.id }, 'an upload that failed could not be cleared away'),
        );
      throw error;
    }
  }

  /** The job is durable by now: what the queue does not take is tried again, and found by the workers' sweep if this process dies. */
  async #enqueue(job: IngestJobRecord, context: RequestContext): Promise<void> {
    try {
      await this.#submit(job, context);
    } catch (error) {
      const { requestId: request_id } = context;
      this.#parts.logger.warn({ err: error, job: job.id, request_id }, 'a job was accepted and could not be queued; it is tried again');
      void untilTaken(() => this.#submit(job, context));
    }
  }

  /** A slice that is queued already is left as it is. */
  async #submit(job: IngestJobRecord, { tenant, requestId }: RequestContext): Promise<void> {
    for (let slice = 0; slice < job.slices.length; slice += 1) {
      await this.#parts.dispatcher.submit({
        queue: 'ingest',
        id: sliceTaskId(job.id, slice),
        tenant,
        requestId,
        pool: DEFAULT_POOL,
        body: { kind: 'ingest', job_id: job.id, slice },
      });
    }
  }
}

/** Rows of a JSON body, which was validated as a whole. */
export async function* rowsOf(documents: readonly DocumentBody[]): AsyncGenerator<DocumentRow, void, undefined> {
  for (const [position, document] of documents.entries()) yield { row: { line: position + 1, document: asDocument(document) } };
}

function nothingReadable(rejections: readonly IngestRejection[]): RerankError {
  if (rejections.length === 0) return new RerankError('invalid_request', 'The body holds no documents; send one JSON object a line.');
  const errors: FieldError[] = rejections.map(({ line, detail }) => ({ pointer: '', detail: `line ${line}: ${detail}` }));
  return new RerankError(
    'invalid_request',
    `No line is a document. The first fault is in line ${rejections[0]?.line ?? 1}: ${rejections[0]?.detail ?? ''}`,
    { errors },
  );
}

function missing(id: string): never {
  throw new RerankError('job_not_found', `The job ${id} was removed while it was being made.`);
}
