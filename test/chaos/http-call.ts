/** How a call ended for the one who made it. `silent`: nothing came for as long as anybody would wait. */
export type CallOutcome =
  | { readonly kind: 'answered'; readonly status: number; readonly body: unknown }
  | { readonly kind: 'broken'; readonly why: string }
  | { readonly kind: 'silent' };

export interface HttpCall {
  readonly method?: 'POST' | 'PUT' | 'DELETE';
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly patienceMs: number;
}

/** One call without any retry. Never rejects. */
export async function callOnce(url: string, { method, json, headers, patienceMs }: HttpCall): Promise<CallOutcome> {
  const signal = AbortSignal.timeout(patienceMs);
  try {
    const answer = await fetch(url, {
      method: method ?? (json === undefined ? 'GET' : 'POST'),
      headers: { ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
      signal,
    });
    const text = await answer.text();
    return { kind: 'answered', status: answer.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
  } catch (error) {
    if (signal.aborted) return { kind: 'silent' };
    const cause = error instanceof Error ? error.cause : undefined;
    return { kind: 'broken', why: cause instanceof Error ? cause.message : String(error) };
  }
}

export const succeeded = (outcome: CallOutcome): boolean => outcome.kind === 'answered' && outcome.status < 300;

/** Stable code of an answer that is a problem. */
export function codeOf(outcome: CallOutcome): string | undefined {
  if (outcome.kind !== 'answered' || typeof outcome.body !== 'object' || outcome.body === null) return undefined;
  return 'code' in outcome.body && typeof outcome.body.code === 'string' ? outcome.body.code : undefined;
}
