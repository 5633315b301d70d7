import { stdSerializers, type SerializedError } from 'pino';

/**
 * An error as the log shows it. Faults of another thread come with their cause in words, as errors do not travel; pino tells causes only that are errors
 * themselves.
 */
export function describeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const cause = causeInWords(error);
  const described: SerializedError = stdSerializers.err(error);
  return cause === undefined ? described : { ...described, cause };
}

function causeInWords(error: Error): string | undefined {
  const { cause } = error;
  if (cause instanceof Error) return causeInWords(cause);
  return typeof cause === 'string' ? cause : undefined;
}
