import type { RetrieverConnection } from '../../config/index.js';
import { RerankError } from '../../errors/index.js';

/** Longest of what the other side said that is passed on. */
const MOST_SAID = 300;

export interface RefusedAnswer {
  readonly status: number;
  /** In the other side's words: shown to the client where its request was at fault. */
  readonly said?: string | undefined;
  /** What is not there, for 404. */
  readonly missing: string;
}

/** An answer that is no success, as an error of the catalogue. */
export function refusedAnswer({ name }: RetrieverConnection, { status, said, missing }: RefusedAnswer): RerankError {
  const unavailable = (what: string): RerankError => new RerankError('candidate_store_unavailable', `The first stage "${name}" ${what}.`);
  switch (status) {
    case 400:
    case 413:
    case 422: {
      const words = said === undefined || said === '' ? '' : `: ${said.slice(0, MOST_SAID)}`;
      return new RerankError('invalid_request', `The first stage "${name}" refused the search${words}.`);
    }
    case 401:
    case 403:
      return unavailable('refused its credentials; whoever runs this service has to look at RETRIEVERS');
    case 404:
      return new RerankError('corpus_not_found', `${missing} is not there any more, or never was.`);
    default:
      return unavailable(`failed with status ${status}`);
  }
}

/** What breaks the contract is no fault of the request. */
export function brokenAnswer({ name }: RetrieverConnection, rule: string, cause?: unknown): RerankError {
  return new RerankError('candidate_store_unavailable', `The first stage "${name}" answered with what cannot be read: ${rule}.`, { cause });
}
