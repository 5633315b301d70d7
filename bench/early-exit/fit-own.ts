import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { bm25Schema, exitFitReportSchema, type ExitFitJob, type ExitFitLine, type ExitFitReport } from '@rerank-fleet/core/contracts';
import { childEnvironment } from '../../test/support/environment.ts';
import { readDocuments } from '../support/beir-documents.ts';
import { readJudgements, readTexts } from '../support/evaluation-data.ts';

const PROGRAM = fileURLToPath(new URL('../../apps/worker/dist/exits-main.js', import.meta.url));

export interface OwnFit {
  /** Of the evaluation data. */
  readonly set: string;
  /** XDG_CACHE_HOME of the workers that are to find the heads. */
  readonly cacheHome: string;
  /** Pairs at most. */
  readonly pairs: number;
}

/**
 * Fits heads on the documents of a set and on the queries of its training part, none of which is a test query, by the program that `rerank exits fit --corpus --queries` runs. Documents are
 * whole, as the bench sends them. Nobody's judgement is used.
 */
export async function fitOwn({ set, cacheHome, pairs }: OwnFit): Promise<ExitFitReport> {
  const queries = await trainingQueries(set);
  const job: ExitFitJob = {
    fitted_on: `documents of ${set} with ${queries.length} queries of its training part`,
    limit: pairs,
    corpus: { chunking: { mode: 'none', max_tokens: 256, overlap_tokens: 32 }, bm25: bm25Schema.parse({}) },
  };
  const documents = await readDocuments(set);
  const lines = function* (): Generator<string> {
    yield `${JSON.stringify(job)}\n`;
    for (const { title, text } of documents) {
      yield `${JSON.stringify({ document: { text, ...(title === undefined ? {} : { title }) } } satisfies ExitFitLine)}\n`;
    }
    for (const query of queries) yield `${JSON.stringify({ query } satisfies ExitFitLine)}\n`;
  };
  const child = fork(PROGRAM, ['fit'], {
    env: childEnvironment({ XDG_CACHE_HOME: cacheHome }),
    execArgv: [],
    stdio: ['pipe', 'pipe', 'inherit', 'ipc'],
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const [said, [code]] = await Promise.all([text(child.stdout!), ended, pipeline(Readable.from(lines()), child.stdin!)]);
  if (code !== 0) throw new Error(`The fit on ${set} failed.`);
  return exitFitReportSchema.parse(JSON.parse(said));
}

/** Of the set's training part, and in no other. */
async function trainingQueries(set: string): Promise<string[]> {
  const [texts, training, test] = [
    await readTexts(set, 'queries'),
    await readJudgements(set, 'train.tsv'),
    await readJudgements(set, 'test.tsv'),
  ];
  const tested = new Set([...test.keys()].map((id) => texts.get(id)));
  return [...training.keys()].map((id) => texts.get(id)!).filter((query) => !tested.has(query));
}
