/** A state that the code rules out was reached. This is a bug, never a fault of input. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';

  constructor(message: string) {
    super(`${message} This is a bug.`);
  }
}

export function invariant(condition: unknown, message: string): asserts condition {
  if (condition === false || condition === undefined || condition === null) throw new InvariantError(message);
}
