import { z } from 'zod';
import type { Candidate, IndexedDocument, IndexedPassage, Metadata, StoredDocument } from '../../domain/index.js';
import { documentPointId, passageId } from '../../retrieval/index.js';
import { parsed, sparseNumbers, type ScoredPayload } from './qdrant-connection.js';
import type { QdrantPoint } from './qdrant-point.js';

const metadata = z.record(z.string(), z.json());

const passagePayload = z.object({
  document_id: z.string(),
  passage: z.number(),
  start: z.number(),
  end: z.number(),
  text: z.string(),
  title: z.string().optional(),
  metadata: metadata.optional(),
});

const documentPayload = z.object({
  document_id: z.string(),
  seq: z.number(),
  text: z.string(),
  title: z.string().optional(),
  metadata: metadata.optional(),
});

const writeState = z.object({ seq: z.number(), deleted: z.boolean().optional(), taken: z.boolean().optional() });

const documentName = z.object({ document_id: z.string() });

/** Points written by a release that stamped no content have none of it. */
const stampState = z.object({
  document_id: z.string(),
  seq: z.number(),
  content_hash: z.string().optional(),
  passages: z.number().optional(),
});

/** The write that a point comes from. */
export interface WriteState {
  readonly seq: number;
  readonly deleted: boolean;
  /** Of a tombstone: the delete of its `seq` found a live document there. */
  readonly taken: boolean;
}

export const WRITE_STATE_FIELDS = ['seq', 'deleted', 'taken'] as const;

export function writeStateOf(payload: unknown): WriteState {
  const { seq, deleted = false, taken = false } = parsed(writeState, payload);
  return { seq, deleted, taken };
}

/** What a document's first passage tells of the whole. */
export interface StampState {
  readonly documentId: string;
  readonly seq: number;
  readonly contentHash?: string;
  readonly passages?: number;
}

export const STAMP_STATE_FIELDS = ['document_id', 'seq', 'content_hash', 'passages'] as const;

export function stampStateOf(payload: unknown): StampState {
  const { document_id: documentId, seq, content_hash: contentHash, passages } = parsed(stampState, payload);
  return { documentId, seq, ...(contentHash === undefined ? {} : { contentHash }), ...(passages === undefined ? {} : { passages }) };
}

export function documentIdOf(payload: unknown): string {
  return parsed(documentName, payload).document_id;
}

function optionalParts({ title, metadata: found }: { title?: string | undefined; metadata?: Metadata | undefined }): {
  title?: string;
  metadata?: Metadata;
} {
  return { ...(title === undefined ? {} : { title }), ...(found === undefined ? {} : { metadata: found }) };
}

export function passagePoint(document: IndexedDocument, passage: IndexedPassage): QdrantPoint {
  const { index, start, end, text, dense, bm25 } = passage;
  return {
    id: passageId(document.documentId, index),
    vector: { dense: [...dense], bm25: sparseNumbers(bm25) },
    payload: {
      document_id: document.documentId,
      passage: index,
      start,
      end,
      text,
      seq: document.seq,
      content_hash: document.contentHash,
      passages: document.passages.length,
      ...optionalParts(document),
    },
  };
}

/** Stands at the place of a deleted document's first passage; it has no vectors, so no search finds it. */
export function passageTombstone(documentId: string, seq: number): QdrantPoint {
  return { id: passageId(documentId, 0), vector: {}, payload: { document_id: documentId, seq, deleted: true } };
}

/** A document without passages is there in no search either; unlike a deleted one it has content, so it need not be written again. */
export function emptyDocument({ documentId, seq, contentHash }: IndexedDocument): QdrantPoint {
  const tombstone = passageTombstone(documentId, seq);
  return { ...tombstone, payload: { ...tombstone.payload, content_hash: contentHash, passages: 0 } };
}

export function candidateOf({ score, payload }: ScoredPayload, rank: number): Candidate {
  const { document_id: documentId, passage: index, start, end, text, ...rest } = parsed(passagePayload, payload);
  return { documentId, passage: { index, start, end, text }, ...optionalParts(rest), firstStage: { score, rank } };
}

export function documentPoint(document: StoredDocument): QdrantPoint {
  const { id, text, seq } = document;
  return { id: documentPointId(id), vector: {}, payload: { document_id: id, text, seq, ...optionalParts(document) } };
}

/** @param before what it stands over, if anything */
export function documentTombstone(id: string, seq: number, before: WriteState | undefined): QdrantPoint {
  const taken = before !== undefined && (before.deleted ? before.taken && before.seq === seq : before.seq <= seq);
  return { id: documentPointId(id), vector: {}, payload: { document_id: id, seq, deleted: true, ...(taken ? { taken } : {}) } };
}

export function documentOf(payload: unknown): StoredDocument {
  const { document_id: id, text, seq, ...rest } = parsed(documentPayload, payload);
  return { id, text, ...optionalParts(rest), seq };
}
