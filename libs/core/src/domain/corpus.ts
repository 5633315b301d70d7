import type { JsonValue } from './document.js';
import { isOpen, type ReindexRecord } from './reindex.js';
import type { Stage } from './stage.js';

/** How a document's text is cut into passages. Lengths are tokens of the version's embedder. */
export interface Chunking {
  /** `none`: one passage a document. `sentences`: windows of whole sentences. */
  readonly mode: 'none' | 'sentences';
  /** Longest passage in tokens, without special tokens. */
  readonly maxTokens: number;
  /** Tokens of the previous passage repeated at the start of the next, at most. */
  readonly overlapTokens: number;
}

/**
 * Constants of the BM25 document encoder, fixed for the life of a version, so that every process encodes alike.
 * Robertson and Zaragoza (2009), "The Probabilistic Relevance Framework: BM25 and Beyond", equation 3.15.
 */
export interface Bm25Constants {
  readonly k1: number;
  readonly b: number;
  /** Average passage length in terms, after stop words. */
  readonly averageLength: number;
  /** Language of the stemmer and the stop words. */
  readonly language: string;
  /** Name of the term hash, so that a later one cannot be mixed with it. */
  readonly termHash: 'murmur3-32';
}

/** Type of a filterable metadata field; becomes a payload index where the store has such. */
export type FieldType = 'keyword' | 'integer' | 'float' | 'bool' | 'datetime';

/** How a version's index is built. A store passes over what it has no use for: the embedded one searches exactly, in one piece. */
export interface IndexOptions {
  /** Of the graph of nearest neighbours: links a node, and candidates looked at when a node is added. */
  readonly hnsw?: { readonly m?: number; readonly efConstruct?: number };
  /** Of dense vectors, kept in memory beside the originals: int8 each, or a bit each. */
  readonly quantization?: 'none' | 'scalar' | 'binary';
  /** Original vectors stay on disk. */
  readonly onDisk?: boolean;
  readonly shards?: number;
  readonly replicas?: number;
}

/** A first stage outside this service. The operator names the connection and keeps its address and keys; `options` are what the connection's kind takes. */
export interface ExternalSource {
  readonly connection: string;
  readonly options: Readonly<Record<string, JsonValue>>;
}

/** What a client may set on a corpus. A change of `embeddingModel`, `chunking`, `bm25` or `index` needs a reindex. */
export interface CorpusSettings {
  readonly embeddingModel: string;
  readonly chunking: Chunking;
  readonly bm25: Bm25Constants;
  readonly index?: IndexOptions;
  /** Absent: documents are stored and indexed here. Set when the corpus is made, and never after. */
  readonly source?: ExternalSource;
  /** Metadata key (dots for nesting) → type. */
  readonly fields: Readonly<Record<string, FieldType>>;
  /** Cascade of requests that name neither model nor stages. Absent: the default model of their pool. */
  readonly stages?: readonly Stage[];
}

/** Names a corpus: a tenant's own name for it. */
export interface CorpusRef {
  readonly tenant: string;
  readonly corpus: string;
}

/** A corpus from when it is made to when it is deleted: made again under the same name, it has another id. */
export interface CorpusIncarnation extends CorpusRef {
  readonly corpusId: string;
}

/** One physical index of a corpus. A request pins one at admission and never sees another. */
export interface CorpusVersion extends CorpusIncarnation {
  /** Counts from 1, never reused within one incarnation of a corpus. */
  readonly version: number;
  readonly embedder: { readonly name: string; readonly sha256: string; readonly dimensions: number };
  readonly chunking: Chunking;
  readonly bm25: Bm25Constants;
  readonly fields: Readonly<Record<string, FieldType>>;
  readonly index?: IndexOptions;
  readonly source?: ExternalSource;
  /** Epoch milliseconds. */
  readonly createdAt: number;
  /** Epoch milliseconds since when it is no longer promoted; it still takes writes, so that a rollback loses none. */
  readonly retiredAt?: number;
}

/** A corpus as the document store keeps it. */
export interface CorpusRecord extends CorpusIncarnation {
  /** Those of the promoted version, and the fields and stages that need no index. */
  readonly settings: CorpusSettings;
  /** The promoted one, one that is being built, and retired ones that are kept for a rollback. Every write goes to all of them. */
  readonly versions: readonly CorpusVersion[];
  /** It is about to go, with all that it has. */
  readonly deleting?: true;
  /** Versions that take neither requests nor writes any more; their indexes are about to go. */
  readonly dropping?: readonly CorpusVersion[];
  /** Highest version number ever given. */
  readonly lastVersion?: number;
  /** Newest first; at most one has not ended, and only the latest are kept. */
  readonly reindexes?: readonly ReindexRecord[];
  /** The version that the alias names. */
  readonly promotedVersion: number;
  /** Grows by one at each change; a writer states the one it read (optimistic concurrency). */
  readonly revision: number;
  /** Epoch milliseconds. */
  readonly createdAt: number;
}

/** The corpus as requests see it: one that is about to go is not there any more. */
export function standingCorpus(record: CorpusRecord | undefined): CorpusRecord | undefined {
  return record?.deleting === true ? undefined : record;
}

/** Whether a sweep has to look after it: a reindex is open, or versions or all of it wait to go. */
export function isUnsettled({ versions, deleting, dropping = [], reindexes = [] }: CorpusRecord): boolean {
  return deleting === true || dropping.length > 0 || reindexes.some(isOpen) || versions.some(({ retiredAt }) => retiredAt !== undefined);
}
