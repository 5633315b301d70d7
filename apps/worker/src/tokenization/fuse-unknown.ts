/** What of a model says which of its tokens are unknown. */
export interface UnknownToken {
  /** Vocabulary, added tokens included. */
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  readonly unk_token_id: number;
  readonly unk_token: string;
}

/**
 * Unknown tokens in a row become one. The library does the same by joining their texts and looking up what it has so far for each: a text of 65,536 characters that
 * a vocabulary lacks took 1.6 s of a thread that others wait for. What stands for them is the unknown token itself, as in the reference.
 */
export function fuseUnknown(tokens: readonly string[], { tokens_to_ids: ids, unk_token_id: unknown, unk_token }: UnknownToken): string[] {
  const fused: string[] = [];
  let isBehindUnknown = false;
  for (const token of tokens) {
    const isUnknown = (ids.get(token) ?? unknown) === unknown;
    if (!isUnknown) fused.push(token);
    else if (!isBehindUnknown) fused.push(unk_token);
    isBehindUnknown = isUnknown;
  }
  return fused;
}
