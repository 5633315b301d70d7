import type { CorpusRef } from '../../domain/index.js';
import { invariant } from '../../errors/index.js';

/** Corpus records, and which incarnation of a corpus each version's collection belongs to. */
export const CORPORA_COLLECTION = 'rf_corpora';

/** Corpus names hold no `_`, so the parts cannot run together whatever the tenant holds. */
function joined(prefix: string, { tenant, corpus }: CorpusRef): string {
  invariant(/^[\w.-]{1,100}$/.test(tenant) && /^[a-z0-9-]{1,63}$/.test(corpus), 'A tenant or corpus name that cannot name a collection.');
  return `${prefix}__${tenant}__${corpus}`;
}

export function documentsCollection(ref: CorpusRef): string {
  return joined('rf_docs', ref);
}

export function passagesCollection(version: CorpusRef & { readonly version: number }): string {
  return `${joined('rf', version)}__v${String(version.version)}`;
}

/** Names the promoted version's collection. */
export function passagesAlias(ref: CorpusRef): string {
  return joined('rf', ref);
}
