import type { IngestOutcome } from '@rerank-fleet/core/contracts';
import type { CorpusVersion, IndexedDocument, StoredDocument } from '@rerank-fleet/core/domain';
import { contentHash } from '@rerank-fleet/core/corpora';
import { RerankError } from '@rerank-fleet/core/errors';
import type { IngestJobRecord, IngestJobs, IngestSlice } from '@rerank-fleet/core/jobs';
import { inSpan, noteOnSpan } from '@rerank-fleet/core/observability';
import type { CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';
import type { TaskContext, TaskHandlers } from '../tasks/task-processor.js';
import { isFaultOfText } from './fault-of-text.js';
import { indexDocuments, type IndexingParts } from './index-documents.js';
import { unlessDropped, versionsNow } from './versions-now.js';

export interface IngestParts extends IndexingParts {
  readonly jobs: IngestJobs;
  readonly documents: DocumentStore;
  readonly candidates: CandidateStore;
}

type RowError = IngestOutcome['errors'][number];

/**
 * Writes one slice of an ingest job: the record first, then the index, so that an index can always be built again. Every step may be repeated
 * after a crash: writes carry the slice's sequence number.
 */
export function ingestTask(parts: IngestParts): TaskHandlers['ingest'] {
  return async (body, context) => {
    const { tenant } = context;
    const record = await parts.jobs.record(tenant, body.job_id);
    const slice = record === undefined ? undefined : await parts.jobs.slice(record, body.slice);
    const isWritten = record !== undefined && (await parts.jobs.hasOutcome(record, body.slice));
    // Who wrote the outcome may have died before it ended the job.
    if (isWritten) await parts.jobs.close(record);
    if (record === undefined || slice === undefined || isWritten) return { kind: 'ingest', succeeded: 0, errors: [] };
    const outcome = await writeSlice(parts, { record, slice }, context);
    await parts.jobs.finishSlice(record, body.slice, outcome);
    return outcome;
  };
}

async function writeSlice(
  parts: IngestParts,
  { record, slice }: { readonly record: IngestJobRecord; readonly slice: IngestSlice },
  context: TaskContext,
): Promise<IngestOutcome> {
  const corpus = await parts.documents.findCorpus(record);
  if (corpus?.corpusId !== record.corpus_id || corpus.deleting === true) {
    const gone = new RerankError('corpus_not_found', `The corpus "${record.corpus}" was deleted before its documents were stored.`);
    return { kind: 'ingest', succeeded: 0, errors: slice.rows.map((row) => rowError(row, gone)) };
  }
  // Of two rows with one id the later wins; the earlier one counts as stored, as it would have been a moment before.
  const latest = new Map(slice.rows.map((row) => [row.document.id, row]));
  const documents = [...latest.values()].map(({ document }) => document);
  noteOnSpan({ 'rerank.job': record.id, 'rerank.corpus': record.corpus, 'rerank.documents': slice.rows.length });
  const current = await inSpan('write documents', () => parts.documents.putDocuments(corpus, documents));
  const toIndex = [...latest.values()].filter(({ document }) => current.has(document.id));
  // This may be a repeat of what died in the middle of its passages.
  const overtaken = documents.filter(({ id }) => !current.has(id)).map(({ id }) => id);
  const errors = new Map<number, RowError>();
  const changed = new Set<number>();
  const versions = await versionsNow(parts.documents, corpus);
  for (const version of versions) {
    const isPromoted = version === versions.at(-1);
    await unlessDropped(parts, version, async () => {
      const rows = await changedRows(parts, version, toIndex);
      for (const { line } of rows) changed.add(line);
      if (overtaken.length > 0) await parts.candidates.removeLeftovers(version, overtaken);
      const faults = await indexRows(parts, version, rows, context);
      // What only a version cannot take that is being built is a failure of its reindex, which counts it; requests find the document.
      if (isPromoted) for (const error of faults) errors.set(error.line, error);
    });
  }
  const unchanged = versions.length === 0 ? 0 : toIndex.length - changed.size;
  return { kind: 'ingest', succeeded: slice.rows.length - errors.size, unchanged, errors: [...errors.values()] };
}

/** All rows at once; row by row if one text cannot be embedded, so that only that one errs, or if a worker died under the slice. */
export async function indexRows(
  parts: IndexingParts & Pick<IngestParts, 'candidates'>,
  version: CorpusVersion,
  rows: IngestSlice['rows'],
  { signal, isolate }: Pick<TaskContext, 'signal' | 'isolate'>,
): Promise<RowError[]> {
  if (rows.length === 0) return [];
  const index = async (documents: readonly StoredDocument[]): Promise<IndexedDocument[]> =>
    await indexDocuments(parts, version, documents, signal);
  try {
    if (isolate === undefined) {
      const indexed = await index(rows.map(({ document }) => document));
      await inSpan('write passages', () => parts.candidates.writeDocuments(version, indexed));
      return [];
    }
  } catch (error) {
    if (!isFaultOfText(error)) throw error;
  }
  const alone: NonNullable<TaskContext['isolate']> = isolate ?? ((part) => part());
  const errors: RowError[] = [];
  for (const row of rows) {
    try {
      await parts.candidates.writeDocuments(version, await alone(() => index([row.document])));
    } catch (error) {
      if (!isFaultOfText(error)) throw error;
      const { id, seq } = row.document;
      // Nothing is better than what an earlier text of the document left there; a later write still passes.
      await parts.candidates.deleteDocuments(version, [id], seq - 1);
      errors.push(rowError(row, error));
    }
  }
  return errors;
}

/** Documents that the index already has as they are need no embedding. */
async function changedRows({ candidates }: IngestParts, version: CorpusVersion, rows: IngestSlice['rows']): Promise<IngestSlice['rows']> {
  const stamps = rows.map(({ document }) => ({ documentId: document.id, contentHash: contentHash(document), seq: document.seq }));
  const unchanged = await candidates.restampDocuments(version, stamps);
  return rows.filter(({ document }) => !unchanged.has(document.id));
}

function rowError({ line, document }: IngestSlice['rows'][number], { code, detail }: RerankError): RowError {
  return { line, document_id: document.id, code, detail };
}
