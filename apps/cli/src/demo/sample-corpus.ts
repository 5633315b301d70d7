import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RerankApiError, type DocumentBody, type RerankClient } from '@rerank-fleet/client';
import { documentSchema } from '@rerank-fleet/core/contracts';
import { z } from 'zod';

export type SampleDocument = DocumentBody & { readonly id: string };

/** What the demo shows: documents, and the query to search them for. */
export interface Samples {
  readonly documents: readonly SampleDocument[];
  readonly headline: string;
}

const queriesSchema = z.tuple([z.looseObject({ query: z.string() })], z.unknown());

/** Fields that the samples can be filtered by. */
const SAMPLE_FIELDS = { topic: 'keyword', lang: 'keyword', year: 'integer' } as const;
/** Reads in flight while the stored documents are compared. */
const READS = 8;

/** @throws Error where the files are not there or not of this form: they are part of the product */
export async function readSamples(samplesDir: string, corpus: string): Promise<Samples> {
  const [lines, queries] = await Promise.all([
    readFile(join(samplesDir, `${corpus}.jsonl`), 'utf8'),
    readFile(join(samplesDir, 'queries.json'), 'utf8'),
  ]);
  const documents = lines
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => documentSchema.required({ id: true }).parse(JSON.parse(line)));
  return { documents, headline: queriesSchema.parse(JSON.parse(queries))[0].query };
}

/** Stores the documents that the corpus does not hold as they are; resolves with how many that were. */
export async function loadSamples(
  client: RerankClient,
  corpus: string,
  documents: readonly SampleDocument[],
  signal?: AbortSignal,
): Promise<number> {
  const stored = await client.getCorpus(corpus, { signal }).catch((error: unknown) => {
    if (error instanceof RerankApiError && error.code === 'corpus_not_found') return undefined;
    throw error;
  });
  if (stored === undefined) await client.putCorpus(corpus, { fields: SAMPLE_FIELDS }, { signal });
  const absent = stored === undefined || stored.documents === 0 ? documents : await changedDocuments(client, corpus, documents, signal);
  if (absent.length === 0) return 0;
  const job = await client.ingest(corpus, absent, { wait: true, signal });
  const fault = job.errors[0];
  if (job.status === 'failed' || fault !== undefined) {
    throw new Error(`the sample corpus was not stored (job ${job.id}): ${fault?.detail ?? 'the job failed'}`);
  }
  return absent.length;
}

async function changedDocuments(
  client: RerankClient,
  corpus: string,
  documents: readonly SampleDocument[],
  signal?: AbortSignal,
): Promise<SampleDocument[]> {
  const changed: boolean[] = [];
  const queue = documents.entries();
  const readOn = async () => {
    for (const [at, document] of queue) changed[at] = !(await isStored(client, corpus, document, signal));
  };
  await Promise.all(Array.from({ length: READS }, readOn));
  return documents.filter((_, at) => changed[at]);
}

async function isStored(client: RerankClient, corpus: string, document: SampleDocument, signal?: AbortSignal): Promise<boolean> {
  try {
    const stored = await client.getDocument(corpus, document.id, { signal });
    return stored.text === document.text && stored.title === document.title;
  } catch (error) {
    if (error instanceof RerankApiError && error.code === 'document_not_found') return false;
    throw error;
  }
}
