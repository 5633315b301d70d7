import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { CliError } from '../exit-code.js';
import { processEnvironment } from './local-settings.js';

export interface WorkerProgramRun {
  /** Of the worker's build, such as `bench-main.js`. */
  readonly program: string;
  readonly args: readonly string[];
  /** For its stdin, read no faster than the program wants it. What this throws ends the program. */
  readonly input?: AsyncIterable<string>;
  readonly onMessage: (message: unknown) => void;
  readonly signal: AbortSignal;
}

/** The same from `src` and from `dist`. */
const PROGRAMS = new URL('../../../worker/dist/', import.meta.url);

/**
 * Runs a program of the worker in a process of its own, as the command line never loads the model runtime, and resolves to the JSON that it writes to stdout.
 *
 * @throws CliError with what it wrote to stderr where it fails
 */
export async function runWorkerProgram({ program, args, input, onMessage, signal }: WorkerProgramRun): Promise<unknown> {
  signal.throwIfAborted();
  const path = fileURLToPath(new URL(program, PROGRAMS));
  const stdin = input === undefined ? 'ignore' : 'pipe';
  const child = fork(path, args, { env: processEnvironment(), execArgv: [], stdio: [stdin, 'pipe', 'pipe', 'ipc'] });
  const kill = (): boolean => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  child.on('message', onMessage);
  let fault: Error | undefined;
  const fail = (error: unknown): void => {
    fault = error instanceof Error ? error : new Error(String(error));
    kill();
  };
  const sent = input === undefined ? undefined : send(input, child.stdin!).catch(fail);
  try {
    const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    const [said, faults, [code, endedBy]] = await Promise.all([text(child.stdout!), text(child.stderr!), exited]);
    // A program that fails early reads no further.
    child.stdin?.destroy();
    await sent;
    signal.throwIfAborted();
    if (fault !== undefined) throw fault;
    if (code !== 0) throw new CliError(faults.trim() || `The program ${program} ended with ${endedBy ?? `status ${code}`}.`);
    return JSON.parse(said);
  } finally {
    signal.removeEventListener('abort', kill);
  }
}

/** That the program takes no more is no fault of the input. */
async function send(input: AsyncIterable<string>, stdin: NodeJS.WritableStream): Promise<void> {
  try {
    await pipeline(Readable.from(input, { objectMode: false }), stdin);
  } catch (error) {
    if (!['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
