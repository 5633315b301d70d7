import type { RetrievalMode } from './candidate.js';
import type { CorpusVersion } from './corpus.js';

/** Whether the first stage takes a vector of the query, made by the version's embedder. A source says so by its option `embed_query`. */
export function needsQueryVector({ source }: Pick<CorpusVersion, 'source'>, mode: RetrievalMode): boolean {
  return mode !== 'sparse' && (source === undefined || source.options['embed_query'] === true);
}
