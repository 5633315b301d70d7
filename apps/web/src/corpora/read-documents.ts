import { wholeLines } from '@rerank-fleet/client/text-lines';
import type { DocumentBody } from '@rerank-fleet/client';

/** A file or a pasted text is not of documents; the message says where. */
export class DocumentFileError extends Error {
  override readonly name = 'DocumentFileError';
}

/**
 * Documents of a file: a JSON array, `{"documents": […]}`, or one object a line. Lines are read while they are sent, so a file may be larger than memory; a JSON array
 * is read whole. Only the form is looked at: the service checks each document and names those that are wrong.
 *
 * @throws DocumentFileError while it is read
 */
export async function* readDocuments(file: Blob): AsyncGenerator<DocumentBody, void, undefined> {
  const head = (await file.slice(0, 4_096).text()).trimStart();
  if (head.startsWith('[') || isSpread(head)) {
    const value = parse(await file.text(), 'The file');
    yield* ofValue(isObject(value) ? (value['documents'] ?? [value]) : value);
    return;
  }
  let number = 0;
  for await (const line of linesOf(file)) {
    number += 1;
    if (line.trim() === '') continue;
    const value = parse(line, `Line ${number}`);
    if (isObject(value) && Array.isArray(value['documents'])) yield* ofValue(value['documents']);
    else yield asDocument(value, `Line ${number}`);
  }
}

/** Documents of a pasted text: as of a file, or else paragraphs, each a document. */
export async function* readPasted(text: string): AsyncGenerator<DocumentBody, void, undefined> {
  if (/^\s*[[{]/.test(text)) {
    yield* readDocuments(new Blob([text]));
    return;
  }
  for (const paragraph of text.split(/\r?\n[^\S\n]*\r?\n+/)) if (paragraph.trim() !== '') yield { text: paragraph.trim() };
}

/** An object over many lines: its first one opens it and no more. */
const isSpread = (head: string): boolean => /^\{\s*(\n|"[^"]*"\s*:\s*[[{]?\s*\n)/.test(head);

/** A last line needs no end here. */
async function* linesOf(file: Blob): AsyncGenerator<string, void, undefined> {
  const ended = new Blob([file, '\n']);
  const reader = ended.stream().getReader();
  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
  }
  yield* wholeLines(chunks());
}

function ofValue(value: unknown): DocumentBody[] {
  if (!Array.isArray(value)) throw new DocumentFileError('The file must hold a JSON array of documents, or one document a line.');
  return value.map((each: unknown, index) => asDocument(each, `Document ${index + 1}`));
}

function asDocument(value: unknown, where: string): DocumentBody {
  if (typeof value === 'string') return { text: value };
  if (isObject(value)) return value as unknown as DocumentBody;
  throw new DocumentFileError(`${where} is neither an object nor a text.`);
}

function parse(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new DocumentFileError(`${where} is not JSON.`);
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
