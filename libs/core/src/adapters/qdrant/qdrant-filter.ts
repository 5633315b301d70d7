import type { Condition, Filter } from '../../domain/index.js';
import { compileFilter } from '../../retrieval/index.js';

/** A filter in Qdrant's own words: keys are paths of the payload. Our filters are a subset of its filters. */
export type QdrantFilter = Filter;

/**
 * Moves the keys of a client's filter under `metadata`.
 *
 * @throws RerankError `invalid_request` for what Qdrant would refuse, told apart from our own mistakes before it is sent
 */
export function underMetadata(filter: Filter): QdrantFilter {
  compileFilter(filter);
  return withPrefix(filter);
}

/** Leaves empty lists out: they say nothing. */
function withPrefix(filter: Filter): QdrantFilter {
  const clauses = Object.entries(filter) as [keyof Filter, readonly Condition[]][];
  return Object.fromEntries(
    clauses.filter(([, conditions]) => conditions.length > 0).map(([clause, conditions]) => [clause, conditions.map(moved)]),
  );
}

function moved(condition: Condition): Condition {
  if ('key' in condition) return { ...condition, key: `metadata.${condition.key}` };
  if ('is_empty' in condition) return { is_empty: { key: `metadata.${condition.is_empty.key}` } };
  if ('is_null' in condition) return { is_null: { key: `metadata.${condition.is_null.key}` } };
  return withPrefix(condition);
}

/** Points of a document that an earlier write left. */
export function olderThan(documentId: string, seq: number): QdrantFilter {
  return {
    must: [
      { key: 'document_id', match: { value: documentId } },
      { key: 'seq', range: { lt: seq } },
    ],
  };
}

export const DELETED: QdrantFilter = { must: [{ key: 'deleted', match: { value: true } }] };

export const NOT_DELETED: QdrantFilter = { must_not: [{ key: 'deleted', match: { value: true } }] };
