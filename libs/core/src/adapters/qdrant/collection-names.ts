import type { CorpusIncarnation, CorpusRef } from '../../domain/index.js';
import { invariant } from '../../errors/index.js';

/** Corpus records, and deletions that have begun. */
export const CORPORA_COLLECTION = 'rf_corpora';

/** Corpus names hold no `_`, so the parts cannot run together whatever the tenant holds. */
function joined(prefix: string, { tenant, corpus }: CorpusRef): string {
  invariant(/^[\w.-]{1,100}$/.test(tenant) && /^[a-z0-9-]{1,63}$/.test(corpus), 'A tenant or corpus name that cannot name a collection.');
  return `${prefix}__${tenant}__${corpus}`;
}

/** Has the corpus' id: whoever still writes to a deleted corpus reaches no other of its name. */
function ofIncarnation(prefix: string, corpus: CorpusIncarnation): string {
  invariant(/^[\dA-Za-z-]{1,64}$/.test(corpus.corpusId), 'A corpus id that cannot name a collection.');
  return `${joined(prefix, corpus)}__${corpus.corpusId}`;
}

export function documentsCollection(corpus: CorpusIncarnation): string {
  return ofIncarnation('rf_docs', corpus);
}

export function passagesCollection(version: CorpusIncarnation & { readonly version: number }): string {
  return `${ofIncarnation('rf', version)}__v${String(version.version)}`;
}

/** Names the promoted version's collection. */
export function passagesAlias(ref: CorpusRef): string {
  return joined('rf', ref);
}
