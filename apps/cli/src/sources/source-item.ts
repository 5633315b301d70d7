import type { DocumentBody } from '@rerank-fleet/core/contracts';

/** Where a document came from: a line or an item of a file, counted from 1, or a whole file. */
export interface Origin {
  readonly file: string;
  readonly unit: 'line' | 'item' | 'file';
  readonly number: number;
}

/** A document, or why what stands at `origin` is none. */
export type SourceItem =
  | { readonly origin: Origin; readonly document: DocumentBody; readonly fault?: never }
  | { readonly origin: Origin; readonly fault: string; readonly document?: never };

/** Documents to ingest, read once and no faster than they are wanted. */
export interface DocumentSource {
  /** For people: a path, or `stdin`. */
  readonly name: string;
  /** Bytes on disk, where they are known before reading. */
  readonly totalBytes: number | undefined;
  /** Bytes read so far, of `totalBytes`. */
  readonly bytesRead: () => number;
  /** Things worth knowing, such as files that were left out. */
  readonly remarks: readonly string[];
  items(): AsyncIterable<SourceItem>;
}

export function describeOrigin({ file, unit, number }: Origin): string {
  switch (unit) {
    case 'file':
      return file;
    case 'line':
      return `${file}:${number}`;
    case 'item':
      return `${file}, item ${number}`;
  }
}
