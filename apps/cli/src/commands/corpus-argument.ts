import { RerankApiError } from '@rerank-fleet/client';
import { corpusNameSchema } from '@rerank-fleet/core/contracts';
import type { CommandContext } from '../client-command.js';
import { usageError } from '../exit-code.js';

/** Makes the corpus when there is none of that name and `create` says so. */
export async function requireCorpus({ client, terminal, signal }: CommandContext, name: string, create: boolean): Promise<void> {
  checkCorpusName(name);
  try {
    await client.getCorpus(name, { signal });
  } catch (error) {
    if (!create || !(error instanceof RerankApiError) || error.code !== 'corpus_not_found') throw error;
    await client.putCorpus(name, {}, { signal });
    terminal.note(`Corpus ${name} made.`);
  }
}

export function checkCorpusName(name: string): void {
  const parsed = corpusNameSchema.safeParse(name);
  if (!parsed.success) throw usageError(`A corpus name ${parsed.error.issues[0]?.message ?? 'is not valid'}.`);
}

/** The corpus named, or the only one there is. */
export async function chooseCorpus({ client, signal }: CommandContext, name: string | undefined): Promise<string> {
  if (name !== undefined) {
    checkCorpusName(name);
    return name;
  }
  const names = (await client.listCorpora({ signal })).map((corpus) => corpus.name);
  const [only] = names;
  if (names.length === 1 && only !== undefined) return only;
  throw usageError(
    names.length === 0
      ? 'There is no corpus yet: make one with `rerank ingest <file> --corpus <name>`.'
      : `Say which corpus to search, with --corpus: ${names.join(', ')}.`,
  );
}
