/** How the command ended, for scripts. `rerank --help` and docs/cli.md list the same. */
export const ExitCode = {
  ok: 0,
  requestFailed: 1,
  usage: 2,
  nothingFoundOrPartial: 3,
  unreachable: 4,
  interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export const EXIT_CODE_MEANINGS: readonly (readonly [ExitCode, string])[] = [
  [ExitCode.ok, 'done'],
  [ExitCode.requestFailed, 'the request failed'],
  [ExitCode.usage, 'the command line or the configuration is not valid'],
  [ExitCode.nothingFoundOrPartial, 'nothing was found, some documents were not stored, or some requests of a job did not succeed'],
  [ExitCode.unreachable, 'the service cannot be reached'],
  [ExitCode.interrupted, 'interrupted with Ctrl-C'],
];

/** A fault that the user can mend, said in full by its message. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    message: string,
    readonly exitCode: ExitCode = ExitCode.requestFailed,
  ) {
    super(message);
  }
}

/** The command line asks for something that it cannot mean. */
export function usageError(message: string): CliError {
  return new CliError(message, ExitCode.usage);
}

/** The user pressed Ctrl-C; `message` says what that leaves behind. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** What reading `path` failed with, for the person who named it. */
export function cannotRead(path: string, error: unknown): CliError {
  const { code } = error as NodeJS.ErrnoException;
  return usageError(
    code === 'ENOENT' ? `There is no file or folder ${path}.` : `${path} cannot be read (${code ?? 'for an unknown reason'}).`,
  );
}
