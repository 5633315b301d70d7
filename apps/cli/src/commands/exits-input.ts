import type { CorpusBody } from '@rerank-fleet/client';
import type { ExitFitJob, ExitFitLine } from '@rerank-fleet/core/contracts';
import type { CommandContext } from '../client-command.js';
import { usageError } from '../exit-code.js';
import { readQueries, readQueryLists } from '../sources/query-lists.js';
import { createProgress, formatCount, plural } from '../terminal/progress.js';
import { checkCorpusName } from './corpus-argument.js';

export interface FitTexts {
  readonly pairs?: string;
  readonly corpus?: string;
  readonly queries?: string;
  readonly limit: number;
}

export interface FitInput {
  readonly job: Pick<ExitFitJob, 'fitted_on' | 'limit' | 'corpus'>;
  lines(): AsyncIterable<ExitFitLine>;
}

/** At most so many times the documents that are wanted are read, to take them evenly. */
const LONGEST_STEP = 10;

/**
 * What heads are to be fitted on, from a file or from a corpus.
 *
 * @throws CliError where the options do not go together, or a line is wrong
 */
export async function openFitInput(context: CommandContext, { pairs, corpus, queries, limit }: FitTexts): Promise<FitInput> {
  if ((pairs === undefined) === (corpus === undefined)) throw usageError('Name either --pairs or --corpus.');
  if (pairs !== undefined && queries !== undefined) throw usageError('--queries goes with --corpus: pairs have their queries.');
  return pairs === undefined ? await ofCorpus(context, corpus ?? '', { queries, limit }) : await ofPairs(pairs, limit);
}

async function ofPairs(path: string, limit: number): Promise<FitInput> {
  const lists = await readQueryLists(path, limit);
  return {
    job: { fitted_on: `pairs of a file of one's own`, limit },
    lines: async function* () {
      for (const { query, documents } of lists) yield { query, documents: [...documents] };
    },
  };
}

async function ofCorpus(
  context: CommandContext,
  name: string,
  { queries: file, limit }: { readonly queries: string | undefined; readonly limit: number },
): Promise<FitInput> {
  checkCorpusName(name);
  const queries = file === undefined ? [] : await readQueries(file);
  const corpus = await context.client.getCorpus(name, { signal: context.signal });
  const { chunking, bm25, source } = corpus.settings;
  if (source !== undefined) throw usageError(`The documents of corpus ${name} lie elsewhere: fit on a file of --pairs.`);
  const how = file === undefined ? 'queries made of them' : 'queries of a file';
  return {
    job: { fitted_on: `documents of corpus ${name} with ${how}`, limit, corpus: { chunking, bm25 } },
    lines: async function* () {
      for (const query of queries) yield { query };
      yield* documentsOf(context, corpus, limit);
    },
  };
}

/** So many documents as pairs are wanted, evenly from all, or from the first ten times as many of a large corpus. */
async function* documentsOf({ client, terminal, signal }: CommandContext, corpus: CorpusBody, limit: number): AsyncGenerator<ExitFitLine> {
  const step = Math.max(1, Math.min(LONGEST_STEP, Math.floor(corpus.documents / limit)));
  const total = Math.min(corpus.documents, limit * step);
  const progress = createProgress('reading', terminal.stderr, terminal.quiet);
  let read = 0;
  try {
    for await (const { title, text } of client.listDocuments(corpus.name, { signal })) {
      if (read % step === 0) yield { document: { text, ...(title === undefined ? {} : { title }) } };
      read += 1;
      progress.update(read, total, `${formatCount(read)} of ${plural(total, 'document')}`);
      if (read >= limit * step) return;
    }
  } finally {
    progress.stop();
  }
}
