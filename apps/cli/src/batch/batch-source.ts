import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { JobOptionsParameters } from '@rerank-fleet/client';
import { cannotRead, CliError } from '../exit-code.js';
import { openBytes, type ByteSource } from '../sources/byte-source.js';

/** Requests of a job as a file or stdin holds them, sent as they are: the service judges each line. */
export interface BatchSource {
  /** As it is named in messages. */
  readonly name: string;
  /** Before unpacking; undefined where it is not known. */
  readonly totalBytes: number | undefined;
  /** Of its first line, where that is `{"job": {…}}`. */
  readonly options: JobOptionsParameters;
  /** Lines up to and with that one: they are not in `lines`. */
  readonly linesTaken: number;
  /** Bytes that were read in this reading, before unpacking. */
  readonly bytesRead: () => number;
  /** The rest of the lines; anew for each reading of a file, once of stdin. */
  readonly lines: (() => AsyncIterable<Uint8Array>) | AsyncIterable<Uint8Array>;
}

const LINE_FEED = 0x0a;
/** Longer than any line of options. */
const MAX_HEAD_BYTES = 1_048_576;

/** @throws CliError where there is nothing that can be a job */
export async function openBatchSource(path: string): Promise<BatchSource> {
  if (path === '-') return fromStdin();
  const entry = await stat(path).catch((error: unknown) => {
    throw cannotRead(path, error);
  });
  if (entry.isDirectory()) throw new CliError(`${path} is a folder; a job is a file with one request a line.`);
  const name = basename(path);
  let reading = openBytes(path, name);
  const chunks = reading.chunks()[Symbol.asyncIterator]();
  const { head, isOver } = await readHead(chunks);
  await chunks.return?.();
  const { options, bytes, lines: linesTaken } = optionsOf(head, name);
  const lines = (): AsyncIterable<Uint8Array> => {
    reading = openBytes(path, name);
    return behind(reading, bytes);
  };
  const totalBytes = entry.isFile() && !isOver ? entry.size : undefined;
  return { name, totalBytes, options, linesTaken, bytesRead: () => reading.bytesRead(), lines: entry.isFile() ? lines : lines() };
}

async function fromStdin(): Promise<BatchSource> {
  const bytes = openBytes(undefined, 'stdin');
  const chunks = bytes.chunks()[Symbol.asyncIterator]();
  const { head } = await readHead(chunks);
  const { options, bytes: taken, lines: linesTaken } = optionsOf(head, 'stdin');
  const lines = async function* (): AsyncGenerator<Uint8Array> {
    yield head.subarray(taken);
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
  };
  return { name: 'stdin', totalBytes: undefined, options, linesTaken, bytesRead: bytes.bytesRead, lines: lines() };
}

async function* behind(source: ByteSource, bytes: number): AsyncGenerator<Uint8Array> {
  let skip = bytes;
  for await (const chunk of source.chunks()) {
    if (chunk.length > skip) yield skip === 0 ? chunk : chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
}

/** The first line that is not blank, and what was read with it. */
async function readHead(chunks: AsyncIterator<Uint8Array>): Promise<{ readonly head: Buffer; readonly isOver: boolean }> {
  let head = Buffer.alloc(0);
  while (head.length < MAX_HEAD_BYTES && firstLine(head).end < 0) {
    const next = await chunks.next();
    if (next.done === true) return { head, isOver: true };
    head = Buffer.concat([head, next.value]);
  }
  return { head, isOver: false };
}

/** `end` is that of the line's feed; negative where it is not there. */
function firstLine(head: Buffer): { readonly text: string; readonly end: number; readonly number: number } {
  let start = 0;
  for (let number = 1; ; number += 1) {
    const end = head.indexOf(LINE_FEED, start);
    const text = head.toString('utf8', start, end < 0 ? head.length : end).replace(/^\uFEFF/, '');
    if (end < 0 || text.trim() !== '') return { text, end, number };
    start = end + 1;
  }
}

function optionsOf(head: Buffer, name: string): { readonly options: JobOptionsParameters; readonly bytes: number; readonly lines: number } {
  const { text, end, number } = firstLine(head);
  if (text.trim() === '' && end < 0) throw new CliError(`${name} is empty; a job has one request a line.`);
  if (text.trimStart().startsWith('['))
    throw new CliError(`${name} begins as a JSON array; a job has one request a line: \`jq -c '.[]' < ${name}\` makes that of it.`);
  const options = parseOptions(text);
  if (options === undefined) return { options: {}, bytes: 0, lines: 0 };
  return { options, bytes: end < 0 ? head.length : end + 1, lines: number };
}

function parseOptions(line: string): JobOptionsParameters | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isOptions = typeof value === 'object' && value !== null && 'job' in value && !('custom_id' in value);
    return isOptions && typeof value.job === 'object' && value.job !== null ? value.job : undefined;
  } catch {
    return undefined;
  }
}
