import type { Candidate, CorpusVersion, JsonValue } from '../../domain/index.js';
import type { FirstStageRequest } from '../../ports/index.js';

export type SourceOptions = Readonly<Record<string, JsonValue>>;

/** One connection to a first stage elsewhere. */
export interface Retriever {
  /**
   * The options of a corpus, checked and completed.
   *
   * @throws RerankError `invalid_request`, with pointers below `/source/options`
   */
  settle(options: SourceOptions): SourceOptions;
  /** @param options settled ones, perhaps under another configuration */
  retrieve(options: SourceOptions, version: CorpusVersion, request: FirstStageRequest): Promise<readonly Candidate[]>;
  close(): void;
}
