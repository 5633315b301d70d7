/** What a job is made of is gone, or is not what was written: no retry helps. */
export class UnreadableBlobError extends Error {
  override readonly name = 'UnreadableBlobError';
  readonly key: string;

  constructor(key: string, options?: ErrorOptions) {
    super(`The blob ${key} cannot be read as what it should be.`, options);
    this.key = key;
  }
}

/** For `catch`: what cannot be read is as if it were not there. */
export function undefinedIfUnreadable(error: unknown): undefined {
  if (!(error instanceof UnreadableBlobError)) throw error;
}
