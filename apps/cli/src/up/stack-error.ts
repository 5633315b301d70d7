/** Something the person at the terminal must know or do; the message is meant for them, without a stack. */
export class StackError extends Error {
  override readonly name = 'StackError';
  /** Status that the process should end with. */
  readonly exitCode: number;

  constructor(message: string, options: { readonly cause?: unknown; readonly exitCode?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? 1;
  }
}
