/** A subset of Qdrant's filter language; keys are paths (dots for nesting) under the document's `metadata`. */
export interface Filter {
  readonly must?: readonly Condition[];
  readonly should?: readonly Condition[];
  readonly must_not?: readonly Condition[];
}

export type Condition = Filter | MatchCondition | RangeCondition | IsEmptyCondition | IsNullCondition;

export type MatchValue = string | number | boolean;

/** `value`: equals; `any`: equals one of; `except`: has a value that is none of these. A list matches if one element does. */
export interface MatchCondition {
  readonly key: string;
  readonly match:
    { readonly value: MatchValue } | { readonly any: readonly (string | number)[] } | { readonly except: readonly (string | number)[] };
}

/** Bounds are all numbers or all RFC 3339 dates. */
export interface RangeCondition {
  readonly key: string;
  readonly range: {
    readonly gt?: number | string;
    readonly gte?: number | string;
    readonly lt?: number | string;
    readonly lte?: number | string;
  };
}

/** True where the key is missing, null or an empty list. */
export interface IsEmptyCondition {
  readonly is_empty: { readonly key: string };
}

/** True where the key is there and null. */
export interface IsNullCondition {
  readonly is_null: { readonly key: string };
}
