import type { CorpusIncarnation } from './corpus.js';
import type { Filter } from './filter.js';

/** A deletion that has begun. It is written down before anything is deleted, so that whatever dies under it, it is carried through. */
export interface PendingDelete extends CorpusIncarnation {
  /** One deletion begun twice is one. */
  readonly id: string;
  /** Documents of a higher `seq` stay. */
  readonly seq: number;
  /** Either the documents or what they pass. */
  readonly documentIds?: readonly string[];
  readonly filter?: Filter;
  /** Epoch milliseconds of Redis TIME. */
  readonly begunAt: number;
}
