import { randomUUID } from 'node:crypto';
import type { CorpusOutcome, CorpusSettingsBody, CorpusTask } from '@rerank-fleet/core/contracts';
import type { CorpusRecord, CorpusRef, CorpusSettings, CorpusVersion } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { CandidateStore, DocumentStore, Embedder } from '@rerank-fleet/core/ports';
import type { TaskHandlers } from '../tasks/task-processor.js';
import { promotedVersion } from '@rerank-fleet/core/corpora';

export interface CorpusParts {
  readonly documents: DocumentStore;
  readonly candidates: CandidateStore;
  readonly embedder: Embedder;
  /** Of a model's name as a client may write it: a hub id or an alias of the embedder is the embedder. */
  readonly isEmbedder: (name: string) => boolean;
  /** Tokens of the longest passage that the embedder takes whole. */
  readonly mostPassageTokens: number;
  /** Languages of BM25 that there are rules for. */
  readonly languages: readonly string[];
}

/** Documents looked at in one step of a delete by filter. */
const SCAN_PAGE = 1_000;

/** Makes, changes and deletes corpora, and deletes documents. Only workers write to the stores. */
export function corpusTask(parts: CorpusParts): TaskHandlers['corpus'] {
  return async ({ corpus, change }, { tenant }) => {
    const ref: CorpusRef = { tenant, corpus };
    switch (change.op) {
      case 'put':
        return await putCorpus(parts, ref, change.settings);
      case 'delete':
        return await deleteCorpus(parts, ref);
      case 'delete_documents':
        return await deleteDocuments(parts, ref, change);
    }
  };
}

/** The record claims the name, so that of two at once one makes the corpus and the other finds it. Then comes the index; a repeat makes it if that was cut short. */
async function putCorpus(parts: CorpusParts, ref: CorpusRef, body: CorpusSettingsBody): Promise<CorpusOutcome> {
  const known = await parts.documents.findCorpus(ref);
  if (known !== undefined) return await changeCorpus(parts, known, body);
  const record = newRecord(parts, ref, body);
  if (!(await parts.documents.createCorpus(record))) return await putCorpus(parts, ref, body);
  await parts.candidates.createVersion(promotedVersion(record));
  return { kind: 'corpus', created: true };
}

/** Fields and stages may change at any time; whatever decides what is in the index needs a reindex. */
async function changeCorpus(parts: CorpusParts, known: CorpusRecord, body: CorpusSettingsBody): Promise<CorpusOutcome> {
  const settings = mergeSettings(parts, known.settings, body);
  const changed = (['embeddingModel', 'chunking', 'bm25'] as const).filter(
    (name) => JSON.stringify(settings[name]) !== JSON.stringify(known.settings[name]),
  );
  if (changed.length > 0) {
    throw new RerankError(
      'reindex_required',
      `A change of ${changed.map(wireName).join(', ')} needs a new index: make a corpus of another name, or leave the setting as it is.`,
    );
  }
  const versions = known.versions.map((version) => ({ ...version, fields: settings.fields }));
  for (const version of versions) await parts.candidates.createVersion(version);
  if (JSON.stringify(settings) === JSON.stringify(known.settings)) return { kind: 'corpus', created: false };
  if (await parts.documents.updateCorpus({ ...known, settings, versions, revision: known.revision + 1 }))
    return { kind: 'corpus', created: false };
  throw new RerankError('queue_unavailable', 'The corpus was changed by another request at the same moment; send this again.', {
    retryAfterS: 1,
  });
}

/** The indexes go first: a deletion that is cut short is found by its record and ended by a repeat. */
async function deleteCorpus(parts: CorpusParts, ref: CorpusRef): Promise<CorpusOutcome> {
  const known = await parts.documents.findCorpus(ref);
  if (known === undefined) throw corpusNotFound(ref);
  const documents = await parts.documents.countDocuments(ref);
  for (const version of known.versions) await parts.candidates.dropVersion(version);
  await parts.documents.deleteCorpus(ref);
  return { kind: 'corpus', deleted: documents };
}

async function deleteDocuments(
  parts: CorpusParts,
  ref: CorpusRef,
  change: Extract<CorpusTask['change'], { op: 'delete_documents' }>,
): Promise<CorpusOutcome> {
  const known = await parts.documents.findCorpus(ref);
  if (known?.corpusId !== change.corpus_id) throw corpusNotFound(ref);
  const version = promotedVersion(known);
  const remove = async (ids: readonly string[]): Promise<number> => {
    const deleted = await parts.documents.deleteDocuments(ref, ids, change.seq);
    await parts.candidates.deleteDocuments(version, ids, change.seq);
    return deleted;
  };
  if (change.ids !== undefined) return { kind: 'corpus', deleted: await remove(change.ids) };
  let deleted = 0;
  for (let after: string | undefined, more = true; more;) {
    const page = await parts.documents.scanDocuments(ref, {
      limit: SCAN_PAGE,
      ...(after === undefined ? {} : { after }),
      ...(change.filter === undefined ? {} : { filter: change.filter }),
    });
    if (page.documents.length > 0) deleted += await remove(page.documents.map(({ id }) => id));
    after = page.next;
    more = after !== undefined;
  }
  return { kind: 'corpus', deleted };
}

function newRecord(parts: CorpusParts, ref: CorpusRef, body: CorpusSettingsBody): CorpusRecord {
  const settings = mergeSettings(parts, defaultSettings(parts), body);
  const corpusId = randomUUID();
  const now = Date.now();
  const { name, sha256, dimensions } = parts.embedder;
  const version: CorpusVersion = {
    ...ref,
    version: 1,
    corpusId,
    embedder: { name, sha256, dimensions },
    chunking: settings.chunking,
    bm25: settings.bm25,
    fields: settings.fields,
    createdAt: now,
  };
  return { ...ref, corpusId, settings, versions: [version], promotedVersion: 1, revision: 1, createdAt: now };
}

function defaultSettings({ embedder, mostPassageTokens }: CorpusParts): CorpusSettings {
  const maxTokens = Math.min(256, mostPassageTokens);
  return {
    embeddingModel: embedder.name,
    chunking: { mode: 'sentences', maxTokens, overlapTokens: Math.floor(maxTokens / 8) },
    bm25: { k1: 1.2, b: 0.75, averageLength: 100, language: 'english', termHash: 'murmur3-32' },
    fields: {},
  };
}

/** What the body leaves out stays as it is. */
function mergeSettings(parts: CorpusParts, base: CorpusSettings, body: CorpusSettingsBody): CorpusSettings {
  if (body.embedding_model !== undefined && !parts.isEmbedder(body.embedding_model)) {
    throw new RerankError(
      'model_not_found',
      `No worker holds the embedder "${body.embedding_model}"; this one holds ${parts.embedder.name}.`,
    );
  }
  const { chunking, bm25 } = body;
  if (chunking !== undefined && chunking.mode === 'sentences' && chunking.max_tokens > parts.mostPassageTokens) {
    throw invalid('/chunking/max_tokens', `must be at most ${parts.mostPassageTokens}, the most that ${parts.embedder.name} embeds`);
  }
  if (bm25 !== undefined && !parts.languages.includes(bm25.language)) {
    throw invalid('/bm25/language', `must be one of ${parts.languages.join(', ')}`);
  }
  const stages = body.stages ?? base.stages ?? [];
  return {
    embeddingModel: base.embeddingModel,
    chunking:
      chunking === undefined
        ? base.chunking
        : { mode: chunking.mode, maxTokens: chunking.max_tokens, overlapTokens: chunking.overlap_tokens },
    bm25:
      bm25 === undefined
        ? base.bm25
        : { k1: bm25.k1, b: bm25.b, averageLength: bm25.average_length, language: bm25.language, termHash: 'murmur3-32' },
    fields: body.fields ?? base.fields,
    ...(stages.length === 0 ? {} : { stages }),
  };
}

function invalid(pointer: string, detail: string): RerankError {
  return new RerankError('invalid_request', `${pointer} ${detail}.`, { errors: [{ pointer, detail }] });
}

function wireName(name: 'embeddingModel' | 'chunking' | 'bm25'): string {
  return name === 'embeddingModel' ? 'embedding_model' : name;
}

function corpusNotFound(ref: CorpusRef): RerankError {
  return new RerankError('corpus_not_found', `There is no corpus "${ref.corpus}".`);
}
