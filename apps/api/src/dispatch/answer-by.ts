import { RerankError } from '@rerank-fleet/core/errors';
import { millisecondsUntil } from '../http/deadline.js';

/** Beyond the deadline, for the work to say itself what became of it: a few round trips to Redis. */
const LAST_WORD_MS = 200;

/**
 * Answers a call by its deadline, whatever its work waits for: a Redis or a store that hangs keeps no client. Work that is late goes on unheard, to give
 * back what it took; its signal tells it that it need not begin anything more.
 *
 * @param deadline point of `performance.now()`
 * @throws RerankError `deadline_exceeded`; what the work throws
 */
export async function answerBy<Context extends { readonly signal: AbortSignal }, T>(
  deadline: number,
  context: Context,
  work: (context: Context) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const { promise: unanswered, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => {
      const error = new RerankError(
        'deadline_exceeded',
        'What the call needs did not answer within its time. Try again, or allow more time.',
      );
      reject(error);
      late.abort(error);
    },
    millisecondsUntil(deadline) + LAST_WORD_MS,
  );
  try {
    return await Promise.race([work({ ...context, signal: AbortSignal.any([context.signal, late.signal]) }), unanswered]);
  } finally {
    clearTimeout(timer);
  }
}
