export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

export type Metadata = Readonly<Record<string, JsonValue>>;

/** What a client stores. What is embedded and scored is `title + " " + text`. */
export interface Document {
  readonly id: string;
  readonly title?: string;
  readonly text: string;
  readonly metadata?: Metadata;
}

/** A document with the sequence number of the write that brought it; the higher number wins, whatever order writes arrive in. */
export interface StoredDocument extends Document {
  readonly seq: number;
}

/** The span of a document that is embedded and scored. Offsets are Unicode code points into the document's `text`. */
export interface Passage {
  readonly index: number;
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly text: string;
}

/** Sparse vector with ascending, distinct indices. */
export interface SparseVector {
  readonly indices: Uint32Array;
  readonly values: Float32Array;
}

/** A passage ready for the index. */
export interface IndexedPassage extends Passage {
  /** Unit length, `[dimensions]`. */
  readonly dense: Float32Array;
  readonly bm25: SparseVector;
}

/** A document with all its passages: the unit in which a version is written. */
export interface IndexedDocument {
  readonly documentId: string;
  readonly title?: string;
  readonly metadata?: Metadata;
  readonly seq: number;
  /** Of title, text and metadata: a document sent again unchanged is told by it. */
  readonly contentHash: string;
  readonly passages: readonly IndexedPassage[];
}

/** The text that is embedded and scored for a passage. */
export function passageContent(title: string | undefined, text: string): string {
  return title === undefined || title === '' ? text : `${title} ${text}`;
}

/** A document that may already be in an index as it is now to be. */
export interface DocumentStamp {
  readonly documentId: string;
  readonly contentHash: string;
  readonly seq: number;
}
