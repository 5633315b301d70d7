import { RerankApiError, RerankConnectionError, RerankTimeoutError } from '@rerank-fleet/client';

/** An error in words for who reads the page. */
export interface Problem {
  readonly kind: 'key' | 'scope' | 'away' | 'fault';
  readonly title: string;
  /** Empty where the title says all. */
  readonly detail: string;
  /** What of the request is wrong, where the service told. */
  readonly faults: readonly { readonly pointer: string; readonly detail: string }[];
  readonly code?: string;
  readonly requestId?: string;
}

export const NOT_ALLOWED = 'Your key may not do this';

export function describeProblem(error: unknown): Problem {
  if (error instanceof RerankApiError) return ofAnswer(error);
  if (error instanceof RerankConnectionError)
    return { kind: 'away', title: 'The service does not answer', detail: `${error.message}.`, faults: [] };
  if (error instanceof RerankTimeoutError) return { kind: 'away', title: 'No answer in time', detail: error.message, faults: [] };
  // Of the page itself, such as what a form lacks: the message is all there is to say.
  return { kind: 'fault', title: error instanceof Error ? error.message : 'An unknown fault.', detail: '', faults: [] };
}

function ofAnswer({ code, detail, errors, requestId, retryAfterS }: RerankApiError): Problem {
  const later = retryAfterS === undefined ? '' : ` Try again in ${Math.max(1, Math.ceil(retryAfterS))} s.`;
  const said = { detail: detail + later, faults: errors, code, ...(requestId === undefined ? {} : { requestId }) };
  if (code === 'unauthorized') return { kind: 'key', title: 'An API key is needed', ...said };
  if (code === 'forbidden') return { kind: 'scope', title: NOT_ALLOWED, ...said };
  return { kind: 'fault', title: TITLES[code] ?? 'The service refused', ...said };
}

const TITLES: Readonly<Record<string, string>> = {
  model_unavailable: 'No worker is there',
  queue_unavailable: 'The queue is away',
  deadline_exceeded: 'It took too long',
  overloaded: 'Too much is waiting',
  invalid_request: 'The request is not valid',
  corpus_not_found: 'There is no such corpus',
  job_not_found: 'There is no such job',
  internal_error: 'A fault of the service',
};
