import { basename } from 'node:path';
import { corpusNameSchema, corpusSettingsSchema } from '@rerank-fleet/core/contracts';
import { z } from 'zod';
import { stat } from 'node:fs/promises';
import { cannotRead, CliError } from '../exit-code.js';
import { openBytes } from './byte-source.js';
import { parseDocumentLine } from './parse-document.js';
import { readLines } from './read-lines.js';
import type { DocumentSource, SourceItem } from './source-item.js';

export const CORPUS_FORMAT = 'rerank-fleet/corpus';
export const CORPUS_FORMAT_VERSION = 1;

const markSchema = z.object({ format: z.literal(CORPUS_FORMAT), version: z.int() });

/** The first line of an exported corpus; its documents follow, one a line. */
const headSchema = z.strictObject({
  format: z.literal(CORPUS_FORMAT),
  version: z.literal(CORPUS_FORMAT_VERSION),
  name: corpusNameSchema,
  settings: corpusSettingsSchema,
  /** As counted when the export began. */
  documents: z.int().min(0),
});

export type CorpusFileHead = z.infer<typeof headSchema>;

export interface CorpusFile {
  readonly head: CorpusFileHead;
  readonly documents: DocumentSource;
}

/** An exported corpus, gzip or not; `-` for stdin. @throws CliError if it is none */
export async function openCorpusFile(path: string): Promise<CorpusFile> {
  const fromStdin = path === '-';
  const name = fromStdin ? 'stdin' : basename(path);
  const entry = fromStdin
    ? undefined
    : await stat(path).catch((error: unknown) => {
        throw cannotRead(path, error);
      });
  const bytes = openBytes(fromStdin ? undefined : path, name);
  const lines = readLines(bytes.chunks());
  const first = await lines.next();
  const head = readHead(name, first.done === true ? undefined : first.value.text);
  async function* items(): AsyncGenerator<SourceItem> {
    for await (const line of lines) {
      const origin = { file: name, unit: 'line', number: line.number } as const;
      yield { origin, ...(line.fault === undefined ? parseDocumentLine(line.text) : { fault: line.fault }) };
    }
  }
  const totalBytes = entry?.isFile() === true ? entry.size : undefined;
  return { head, documents: { name, totalBytes, bytesRead: bytes.bytesRead, remarks: [], items } };
}

function readHead(name: string, text: string | undefined): CorpusFileHead {
  const value = parseJson(text);
  const mark = markSchema.safeParse(value);
  if (!mark.success)
    throw new CliError(`${name} is no exported corpus: its first line holds no settings. \`rerank ingest\` takes documents alone.`);
  if (mark.data.version !== CORPUS_FORMAT_VERSION)
    throw new CliError(`${name} has version ${mark.data.version} of the format; this command knows version ${CORPUS_FORMAT_VERSION}.`);
  const head = headSchema.safeParse(value);
  if (head.success) return head.data;
  const issue = head.error.issues[0];
  throw new CliError(`${name}:1: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is not valid'}.`);
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
