import { RerankError } from '@rerank-fleet/core/errors';
import { millisecondsUntil } from '../http/deadline.js';

/** Beyond the deadline, for the work to say itself what became of it: a few round trips to Redis. */
const LAST_WORD_MS = 100;
const RETRY_S = 2;

/**
 * Answers a call by its deadline, whatever its work waits for: a Redis that hangs keeps no client. Work that is late goes on unheard, to give back what it
 * took; its signal tells it that it need not begin anything more.
 *
 * @param deadline point of `performance.now()`
 * @throws RerankError `queue_unavailable` where nothing told by then what became of the call; what the work throws
 */
export async function answerBy<Context extends { readonly signal: AbortSignal }, T>(
  deadline: number,
  context: Context,
  work: (context: Context) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const within = { ...context, signal: AbortSignal.any([context.signal, late.signal]) };
  return await inTime(deadline + LAST_WORD_MS, work(within), () => {
    const error = new RerankError('queue_unavailable', 'The queue (Redis) did not answer within the time of the call. Try again.', {
      retryAfterS: RETRY_S,
    });
    late.abort(error);
    return error;
  });
}

/** What a store answers, which knows nothing of deadlines. @throws RerankError `candidate_store_unavailable` when the time is over; what the read throws */
export async function readBy<T>(deadline: number, read: Promise<T>): Promise<T> {
  return await inTime(
    deadline,
    read,
    () =>
      new RerankError('candidate_store_unavailable', 'The store of corpora did not answer within the time of the call. Try again.', {
        retryAfterS: RETRY_S,
      }),
  );
}

async function inTime<T>(deadline: number, work: Promise<T>, whenLate: () => RerankError): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(whenLate()), millisecondsUntil(deadline));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
