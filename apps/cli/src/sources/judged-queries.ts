import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { reindexChecksSchema } from '@rerank-fleet/core/contracts';
import type { z } from 'zod';
import { cannotRead, CliError, usageError } from '../exit-code.js';
import { openBytes } from './byte-source.js';
import { readLines } from './read-lines.js';

const judgedSchema = reindexChecksSchema.shape.judged.unwrap().element;
export type JudgedQuery = z.infer<typeof judgedSchema>;

const QUERIES = /^queries\.jsonl(\.gz)?$/;
const QRELS = /\.tsv$/;

/**
 * Queries with their graded documents: NDJSON of `{"query", "relevant": {"id": grade}}`, or a folder of BEIR layout (`queries.jsonl` and `qrels/test.tsv`, else
 * the first of `qrels`).
 *
 * @throws CliError where there are none
 */
export async function readJudgedQueries(path: string): Promise<JudgedQuery[]> {
  const entry = await stat(path).catch((error: unknown) => {
    throw cannotRead(path, error);
  });
  const judged = entry.isDirectory() ? await readBeir(path) : await readRows(path);
  if (judged.length === 0) throw new CliError(`${path} holds no judged queries.`);
  return judged;
}

async function readRows(path: string): Promise<JudgedQuery[]> {
  const judged: JudgedQuery[] = [];
  for await (const { place, text } of linesOf(path)) {
    const row = judgedSchema.safeParse(parseJson(text));
    if (!row.success) throw new CliError(`${place}: is no {"query", "relevant": {"id": grade}}.`);
    judged.push(row.data);
  }
  return judged;
}

async function readBeir(folder: string): Promise<JudgedQuery[]> {
  const queries = (await readdir(folder)).find((name) => QUERIES.test(name));
  const qrels = (await readdir(join(folder, 'qrels')).catch(() => [])).filter((name) => QRELS.test(name)).sort();
  const grades = qrels.find((name) => name === 'test.tsv') ?? qrels[0];
  if (queries === undefined || grades === undefined) throw usageError(`${folder} has no BEIR layout: queries.jsonl and qrels/test.tsv.`);
  const relevant = await readQrels(join(folder, 'qrels', grades));
  const judged: JudgedQuery[] = [];
  for await (const { place, text } of linesOf(join(folder, queries))) {
    const row = parseJson(text) as { readonly _id?: unknown; readonly text?: unknown } | undefined;
    const graded = typeof row?._id === 'string' ? relevant.get(row._id) : undefined;
    if (graded === undefined) continue;
    const parsed = judgedSchema.safeParse({ query: row?.text, relevant: graded });
    if (!parsed.success) throw new CliError(`${place}: is no query.`);
    judged.push(parsed.data);
  }
  return judged;
}

/** Lines of query id, document id and grade, behind a line of titles. Grades of 0 and less are those of documents that are left out. */
async function readQrels(path: string): Promise<Map<string, Record<string, number>>> {
  const relevant = new Map<string, Record<string, number>>();
  for await (const { place, text, number } of linesOf(path)) {
    const [query, document, grade, ...rest] = text.trimEnd().split('\t');
    const value = Number(grade);
    if (number === 1 && grade !== undefined && Number.isNaN(value)) continue;
    if (query === undefined || document === undefined || grade === undefined || !Number.isFinite(value) || rest.length > 0)
      throw new CliError(`${place}: is no query id, document id and grade, separated by tabs.`);
    if (value > 0) relevant.set(query, { ...relevant.get(query), [document]: value });
  }
  return relevant;
}

async function* linesOf(path: string): AsyncGenerator<{ readonly place: string; readonly text: string; readonly number: number }> {
  const name = basename(path);
  for await (const { number, text, fault } of readLines(openBytes(path, name).chunks())) {
    if (text === undefined) throw new CliError(`${name}:${number}: ${fault}.`);
    yield { place: `${name}:${number}`, text, number };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
