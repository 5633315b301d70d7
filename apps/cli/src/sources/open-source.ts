import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cannotRead, CliError } from '../exit-code.js';
import { openBytes } from './byte-source.js';
import { openDirectory } from './directory-source.js';
import { parseDocument, parseDocumentLine } from './parse-document.js';
import { readLines } from './read-lines.js';
import type { DocumentSource, SourceItem } from './source-item.js';

/** Name of the documents in a folder of BEIR layout. */
const BEIR_CORPUS = /^corpus\.jsonl(\.gz)?$/;

/**
 * Documents at `path`: NDJSON or a JSON array, gzip or not; a folder; `-` for stdin.
 *
 * @throws CliError where there is nothing to read
 */
export async function openSource(path: string): Promise<DocumentSource> {
  if (path === '-') return fileSource(undefined, 'stdin', undefined);
  const entry = await stat(path).catch((error: unknown) => {
    throw cannotRead(path, error);
  });
  if (!entry.isDirectory()) return fileSource(path, basename(path), entry.isFile() ? entry.size : undefined);
  const corpus = (await readdir(path)).find((name) => BEIR_CORPUS.test(name));
  if (corpus === undefined) return openDirectory(path);
  const file = join(path, corpus);
  return { ...fileSource(file, corpus, (await stat(file)).size), remarks: [`${path} has BEIR layout: reading ${corpus}.`] };
}

function fileSource(path: string | undefined, name: string, totalBytes: number | undefined): DocumentSource {
  const bytes = openBytes(path, name);
  return { name, totalBytes, bytesRead: bytes.bytesRead, remarks: [], items: () => readItems(bytes.chunks(), name) };
}

async function* readItems(chunks: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<SourceItem> {
  const iterator = chunks[Symbol.asyncIterator]();
  const head = await readHead(iterator);
  const whole = rejoin(head, iterator);
  yield* startsWith(head, '[') ? readArray(whole, file) : readNdjson(whole, file);
}

async function* readNdjson(chunks: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<SourceItem> {
  for await (const line of readLines(chunks)) {
    const origin = { file, unit: 'line', number: line.number } as const;
    yield { origin, ...(line.fault === undefined ? parseDocumentLine(line.text) : { fault: line.fault }) };
  }
}

/** An array is parsed whole: JSON has no places to cut. NDJSON is the form for what does not fit the memory. */
async function* readArray(chunks: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<SourceItem> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  let values: unknown[];
  try {
    values = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts))) as unknown[];
  } catch (error) {
    throw new CliError(`${file} begins as a JSON array and is none: ${(error as Error).message}`);
  }
  for (const [index, value] of values.entries()) yield { origin: { file, unit: 'item', number: index + 1 }, ...parseDocument(value) };
}

/** Up to the first byte that is no white space and no byte order mark. */
async function readHead(chunks: AsyncIterator<Uint8Array>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (firstCharacter(head) === '') {
    const next = await chunks.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

async function* rejoin(head: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  if (head.length > 0) yield head;
  try {
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

function startsWith(head: Buffer, character: string): boolean {
  return firstCharacter(head) === character;
}

function firstCharacter(head: Buffer): string {
  return head
    .toString('latin1')
    .replace(/^(\xEF\xBB\xBF)?[ \t\r\n]*/, '')
    .charAt(0);
}
