import type { CorpusVersion, StoredDocument } from '@rerank-fleet/core/domain';
import type { GivenUpSlice, GivenUpSlices } from '@rerank-fleet/core/jobs';
import type { Logger } from '@rerank-fleet/core/observability';
import { indexRows, type IngestParts } from './ingest-task.js';
import { unlessDropped, versionsNow } from './versions-now.js';

export interface GivenUpParts extends Omit<IngestParts, 'jobs'> {
  readonly slices: Pick<GivenUpSlices, 'list' | 'replace' | 'settled'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
}

/**
 * Ends what slices that were given up have begun: a document that they put into the record is in no index with another text. It is indexed after all; if a worker
 * may have died of a text of the slice, its older text is taken out of the index instead. Doing it again, or twice at once, changes nothing.
 */
export async function settleGivenUp(parts: GivenUpParts, signal: AbortSignal): Promise<void> {
  const onUnreadable = (key: string, error: unknown): void =>
    parts.log.warn({ err: error, key }, 'What is noted of an upload that was given up cannot be read; it is passed over.');
  for await (const { key, slice } of parts.slices.list(onUnreadable)) {
    const about = { tenant: slice.tenant, corpus: slice.corpus, seq: slice.seq };
    try {
      const documents = await settle(parts, key, slice, signal);
      await parts.slices.settled(key);
      if (documents > 0) parts.log.info({ ...about, documents }, 'Documents of an upload that was given up are settled.');
    } catch (error) {
      if (signal.aborted) return;
      parts.log.warn({ ...about, err: error }, 'Documents of an upload that was given up could not be settled; it is tried again.');
    }
  }
}

/** Resolves to how many documents were stored and not in every index. */
async function settle(parts: GivenUpParts, key: string, slice: GivenUpSlice, signal: AbortSignal): Promise<number> {
  const corpus = await parts.documents.findCorpus(slice);
  if (corpus === undefined || corpus.corpusId !== slice.corpus_id || corpus.deleting === true) return 0;
  const found = await Promise.all(slice.document_ids.map((id) => parts.documents.findDocument(corpus, id)));
  const stored = found.filter((document) => document?.seq === slice.seq) as StoredDocument[];
  const overtaken = slice.document_ids.filter((_, at) => found[at]?.seq !== slice.seq);
  const settled = new Set<string>();
  for (const version of await versionsNow(parts.documents, corpus)) {
    await unlessDropped(parts, version, async () => {
      if (overtaken.length > 0) await parts.candidates.removeLeftovers(version, overtaken);
      const behind = await notIndexed(parts, version, stored);
      for (const { id } of behind) settled.add(id);
      if (behind.length === 0) return;
      if (slice.is_deadly) await takeOut(parts, version, behind);
      else await indexWarily(parts, { key, slice, version, documents: behind }, signal);
    });
  }
  return settled.size;
}

async function notIndexed(
  { candidates }: GivenUpParts,
  version: CorpusVersion,
  documents: readonly StoredDocument[],
): Promise<StoredDocument[]> {
  const ids = documents.map(({ id }) => id);
  const seqs = await candidates.documentSeqs(version, ids);
  return documents.filter(({ id, seq }) => (seqs.get(id) ?? -Infinity) < seq);
}

/** A later write of the same documents still passes. */
async function takeOut({ candidates }: GivenUpParts, version: CorpusVersion, documents: readonly StoredDocument[]): Promise<void> {
  const ids = documents.map(({ id }) => id);
  await candidates.deleteDocuments(version, ids, documents[0]!.seq - 1);
}

interface Behind {
  readonly key: string;
  readonly slice: GivenUpSlice;
  readonly version: CorpusVersion;
  readonly documents: readonly StoredDocument[];
}

/** If this worker dies of it, the next one finds the slice marked, and embeds none of it. */
async function indexWarily(parts: GivenUpParts, { key, slice, version, documents }: Behind, signal: AbortSignal): Promise<void> {
  parts.embedders.of(version);
  await parts.slices.replace(key, { ...slice, is_deadly: true });
  try {
    const rows = documents.map((document, position) => ({ line: position + 1, document }));
    await indexRows(parts, version, rows, { signal });
  } catch (error) {
    await parts.slices.replace(key, slice);
    throw error;
  }
}
