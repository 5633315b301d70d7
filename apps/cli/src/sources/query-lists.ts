import { basename } from 'node:path';
import { stat } from 'node:fs/promises';
import { z } from 'zod';
import { cannotRead, CliError } from '../exit-code.js';
import { openBytes } from './byte-source.js';
import { readLines } from './read-lines.js';

export interface QueryList {
  readonly query: string;
  readonly documents: readonly string[];
}

const textSchema = z.string().refine((text) => text.trim() !== '', 'must not be blank');
const rowSchema = z.union([
  z.object({ query: textSchema, documents: z.array(textSchema).min(1) }),
  z.object({ query: textSchema, passage: textSchema }).transform(({ query, passage }) => ({ query, documents: [passage] })),
]);

/**
 * Queries with texts from NDJSON of `{"query", "passage"}` or `{"query", "documents": [texts]}`, gzip or not; lines of one query are put together. Reads until there
 * are `limit` pairs.
 *
 * @throws CliError that names the line
 */
export async function readQueryLists(path: string, limit: number): Promise<QueryList[]> {
  const lists = new Map<string, string[]>();
  let pairs = 0;
  for await (const { place, text } of linesOf(path)) {
    const row = rowSchema.safeParse(parseJson(text));
    if (!row.success) throw new CliError(`${place}: is neither {"query", "passage"} nor {"query", "documents": [texts]}.`);
    const { query, documents } = row.data;
    const taken = documents.slice(0, limit - pairs);
    lists.set(query, [...(lists.get(query) ?? []), ...taken]);
    if ((pairs += taken.length) >= limit) break;
  }
  if (lists.size === 0) throw new CliError(`${path} holds no pairs.`);
  return Array.from(lists, ([query, documents]) => ({ query, documents }));
}

/**
 * Queries from a file with one a line, as a text or as an object with `text` (BEIR's queries.jsonl) or `query`.
 *
 * @throws CliError that names the line
 */
export async function readQueries(path: string): Promise<string[]> {
  const queries: string[] = [];
  for await (const { place, text } of linesOf(path)) {
    const row = text.startsWith('{') ? parseJson(text) : text;
    const { text: named, query = named } =
      typeof row === 'object' && row !== null ? (row as { text?: unknown; query?: unknown }) : { query: row };
    if (typeof query !== 'string' || query.trim() === '') throw new CliError(`${place}: is no query.`);
    queries.push(query.trim());
  }
  if (queries.length === 0) throw new CliError(`${path} holds no queries.`);
  return queries;
}

async function* linesOf(path: string): AsyncGenerator<{ readonly place: string; readonly text: string }> {
  await stat(path).catch((error: unknown) => {
    throw cannotRead(path, error);
  });
  const name = basename(path);
  for await (const { number, text, fault } of readLines(openBytes(path, name).chunks())) {
    if (text === undefined) throw new CliError(`${name}:${number}: ${fault}.`);
    yield { place: `${name}:${number}`, text: text.trim() };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
