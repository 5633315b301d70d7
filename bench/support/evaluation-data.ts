import { createReadStream, existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

/** Evaluation data lies beside the checkout, never in it. */
const SHARED = fileURLToPath(new URL('../../../shared/', import.meta.url));

export interface CandidateList {
  readonly queryId: string;
  readonly query: string;
  readonly documentIds: readonly string[];
  readonly documents: readonly string[];
}

/** Relevance by query and document. */
export type Judgements = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Path of a file of the evaluation data, or a plain message and exit status 0: a machine without the data cannot measure this. */
export function dataPath(...segments: readonly string[]): string {
  const path = join(SHARED, ...segments);
  if (!existsSync(path)) {
    console.log(`skipped: the evaluation data ${segments.join('/')} is not beside this checkout (../shared)`);
    process.exit(0);
  }
  return path;
}

async function* lines(path: string): AsyncGenerator<string> {
  for await (const line of createInterface({ input: createReadStream(path) })) if (line !== '') yield line;
}

async function* rows(path: string): AsyncGenerator<string[]> {
  let header = true;
  for await (const line of lines(path)) {
    if (!header) yield line.split('\t');
    header = false;
  }
}

/** Texts of a BEIR folder by id; `title text` where there is a title. */
export async function readTexts(set: string, file: 'corpus' | 'queries'): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for await (const line of lines(dataPath('irdata', set, `${file}.jsonl`))) {
    const { _id, title, text } = JSON.parse(line) as { _id: string; title?: string; text: string };
    texts.set(_id, title === undefined || title === '' ? text : `${title} ${text}`);
  }
  return texts;
}

export async function readJudgements(set: string, file: string): Promise<Judgements> {
  const judgements = new Map<string, Map<string, number>>();
  for await (const [query, document, score] of rows(dataPath('irdata', set, 'qrels', file))) {
    const ofQuery = judgements.get(query!) ?? new Map<string, number>();
    judgements.set(query!, ofQuery.set(document!, Number(score)));
  }
  return judgements;
}

/** A first-stage run with its texts, best candidate first. */
export async function readCandidateLists(set: string, run: string): Promise<CandidateList[]> {
  const [queries, corpus] = [await readTexts(set, 'queries'), await readTexts(set, 'corpus')];
  const ranked = new Map<string, { id: string; rank: number }[]>();
  for await (const [query, document, rank] of rows(dataPath('irdata', set, 'runs', run))) {
    const list = ranked.get(query!) ?? [];
    list.push({ id: document!, rank: Number(rank) });
    ranked.set(query!, list);
  }
  return [...ranked].map(([queryId, list]) => {
    const documentIds = list.sort((a, b) => a.rank - b.rank).map(({ id }) => id);
    return { queryId, query: queries.get(queryId)!, documentIds, documents: documentIds.map((id) => corpus.get(id)!) };
  });
}

export interface GoldenPair {
  readonly tokens: number;
  readonly logit: number;
}

/** The reference implementation's scores, by `query\tdocument`. */
export async function readGolden(file: string): Promise<Map<string, GoldenPair>> {
  const golden = new Map<string, GoldenPair>();
  for await (const [query, document, tokens, logit] of rows(dataPath('golden', file))) {
    golden.set(`${query}\t${document}`, { tokens: Number(tokens), logit: Number(logit) });
  }
  return golden;
}
