import picocolors from 'picocolors';

export type Colors = ReturnType<typeof picocolors.createColors>;

export interface TerminalOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: boolean;
}

/** A stream that may be a terminal. */
export type OutputStream = NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number };

/** Width of tables that go to a pipe or a file. */
const PIPE_COLUMNS = 160;
const MIN_COLUMNS = 60;

/**
 * Results go to stdout, everything said about them to stderr. With `--json` stdout holds one JSON value and nothing else; colours are for
 * terminals only.
 */
export class Terminal {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly colors: Colors;
  readonly #errorColors: Colors;

  constructor(
    options: TerminalOptions,
    readonly stdout: OutputStream = process.stdout,
    readonly stderr: OutputStream = process.stderr,
  ) {
    this.json = options.json;
    this.quiet = options.quiet;
    const wanted = options.color && picocolors.isColorSupported;
    this.colors = picocolors.createColors(wanted && stdout.isTTY === true);
    this.#errorColors = picocolors.createColors(wanted && stderr.isTTY === true);
  }

  /** Columns that a line on stdout may fill. */
  get columns(): number {
    return this.stdout.isTTY === true ? Math.max(MIN_COLUMNS, this.stdout.columns ?? 80) : PIPE_COLUMNS;
  }

  /** The result: `value` for programs with `--json`, the text for people without. */
  result(value: unknown, text: () => string): void {
    this.stdout.write(`${this.json ? JSON.stringify(value, null, 2) : text()}\n`);
  }

  /** What is going on, or stands beside the result; on stderr, silent with `--quiet`. */
  note(text: string): void {
    if (!this.quiet) this.stderr.write(`${text}\n`);
  }

  warn(text: string): void {
    this.stderr.write(`${this.#errorColors.yellow('warning:')} ${text}\n`);
  }

  error(text: string): void {
    this.stderr.write(`${this.#errorColors.red('error:')} ${text}\n`);
  }
}
