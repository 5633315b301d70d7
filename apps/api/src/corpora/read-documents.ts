import { createHash } from 'node:crypto';
import { documentSchema, type DocumentBody } from '@rerank-fleet/core/contracts';
import type { Document } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { IngestRejection, IngestRow } from '@rerank-fleet/core/jobs';
import { parseJson } from '../http/json-body.js';
import { parseWith } from '../http/zod-faults.js';
import { ndjsonLines } from './ndjson-lines.js';

/** A row of an upload: a document, or why it is none. */
export type DocumentRow = { readonly row: IngestRow } | { readonly rejection: IngestRejection };

/** Id of a document that came without: the same title and text always give the same, so that sending it twice stores it once. */
export function derivedId(title: string | undefined, text: string): string {
  return createHash('sha256')
    .update(`${title ?? ''}\0${text}`, 'utf8')
    .digest('hex')
    .slice(0, 32);
}

export function asDocument({ id, title, text, metadata }: DocumentBody): Document {
  return {
    id: id ?? derivedId(title, text),
    text,
    ...(title === undefined ? {} : { title }),
    ...(metadata === undefined ? {} : { metadata: metadata }),
  };
}

/** Reads an NDJSON body row by row. A bad row is a rejection; only faults of the transport throw. */
export async function* readDocuments(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes: number,
): AsyncGenerator<DocumentRow, void, undefined> {
  for await (const { line, bytes } of ndjsonLines(chunks, maxLineBytes)) {
    yield bytes === undefined
      ? { rejection: { line, code: 'payload_too_large', detail: `The line has more than ${maxLineBytes} bytes.` } }
      : readRow(line, bytes);
  }
}

function readRow(line: number, bytes: Buffer): DocumentRow {
  let id: string | undefined;
  try {
    const value = parseJson(bytes);
    id = idOf(value);
    return { row: { line, document: asDocument(parseWith(documentSchema, value)) } };
  } catch (error) {
    if (!(error instanceof RerankError)) throw error;
    return { rejection: { line, code: error.code, detail: error.detail, ...(id === undefined ? {} : { documentId: id }) } };
  }
}

/** The id that a bad row names, so that its sender finds it again. */
function idOf(value: unknown): string | undefined {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  return typeof id === 'string' && id.length <= 512 ? id : undefined;
}
