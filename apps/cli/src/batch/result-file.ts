import { open, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { CliError, usageError } from '../exit-code.js';
import type { BatchRun, NewRun } from './batch-run.js';
import { cannotWrite, readRunState, removeRunState, renameDurably, writeRunState, type RunState } from './run-state.js';

/** The longest time that lines wait to be written. */
const CHECKPOINT_MS = 1_000;
const AT_START = { v: 1, bytes: 0, lines: 0 } as const;
const CHECKPOINT_CHARACTERS = 1_048_576;

/**
 * Results on their way to `path`: lines in `path.part`, and in `path.state` how many bytes of it are on the disk and the cursor of the last line of those. The part is
 * synced before the state names it, and cut to what the state names when a run goes on: no line is lost, and none comes twice.
 */
export class ResultFile implements BatchRun {
  readonly path: string;
  #state: RunState;
  #file: FileHandle | undefined;
  #waiting: string[] = [];
  #waitingCharacters = 0;
  #lines: number;
  #cursor: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();
  #failure: { readonly reason: unknown } | undefined;

  private constructor(path: string, state: RunState) {
    this.path = path;
    this.#state = state;
    this.#cursor = state.cursor;
    this.#lines = state.lines;
  }

  /** @throws CliError if a run to the same file is unfinished */
  static async begin(path: string, state: NewRun): Promise<ResultFile> {
    if ((await readRunState(stateOf(path))) !== undefined)
      throw usageError(`${stateOf(path)} is of a run that did not end: go on with it by --resume, or remove it to begin anew.`);
    const file = new ResultFile(path, { ...state, ...AT_START, pid: process.pid });
    await writeRunState(stateOf(path), file.#state);
    await rm(partOf(path), { force: true });
    return file;
  }

  /** The run that did not end; `complete` where only its last step was missing. @throws CliError if there is none */
  static async resume(path: string): Promise<ResultFile | 'complete'> {
    const state = await readRunState(stateOf(path));
    const [part, whole] = await Promise.all([sizeOf(partOf(path)), sizeOf(path)]);
    if (state === undefined) {
      if (whole === undefined) throw usageError(`There is nothing to resume: ${stateOf(path)} is not there.`);
      return 'complete';
    }
    if (part === undefined && whole === state.bytes && state.bytes > 0) {
      await removeRunState(stateOf(path));
      return 'complete';
    }
    if (await isRunning(state.pid)) throw usageError(`The run goes on already, as process ${state.pid}.`);
    // Somebody else has been at the part: everything can be had again.
    const isWhole = state.bytes === 0 || (part !== undefined && part >= state.bytes);
    const mine = { ...state, pid: process.pid };
    const file = new ResultFile(path, isWhole ? mine : { ...mine, ...AT_START, cursor: undefined });
    await writeRunState(stateOf(path), file.#state);
    return file;
  }

  get state(): RunState {
    return this.#state;
  }

  get cursor(): string | undefined {
    return this.#cursor;
  }

  get lines(): number {
    return this.#lines;
  }

  async note(change: Partial<Pick<RunState, 'job' | 'row_shift'>>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    await writeRunState(stateOf(this.path), this.#state);
  }

  async append(line: string, cursor: string): Promise<void> {
    this.#waiting.push(line);
    this.#lines += 1;
    this.#waitingCharacters += line.length + 1;
    this.#cursor = cursor;
    if (this.#waitingCharacters >= CHECKPOINT_CHARACTERS) await this.checkpoint();
    else this.#timer ??= setTimeout(() => void this.checkpoint().catch((reason: unknown) => (this.#failure ??= { reason })), CHECKPOINT_MS);
    this.#assertSound();
  }

  /** All lines that were appended are on the disk when it resolves. */
  checkpoint(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const written = this.#writing.then(() => this.#write());
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async finish(): Promise<void> {
    await this.checkpoint();
    this.#assertSound();
    await this.#opened();
    await this.#close();
    await renameDurably(partOf(this.path), this.path).catch((error: unknown) => {
      throw cannotWrite(this.path, error);
    });
    await removeRunState(stateOf(this.path));
  }

  async leave(): Promise<void> {
    try {
      await this.checkpoint();
    } finally {
      await this.#close();
    }
  }

  async forget(): Promise<void> {
    await this.#close();
    await Promise.all([rm(partOf(this.path), { force: true }), removeRunState(stateOf(this.path))]);
  }

  async #write(): Promise<void> {
    // What could not be written is gone: lines behind it would leave a gap.
    this.#assertSound();
    if (this.#waiting.length === 0) return;
    const bytes = Buffer.from(`${this.#waiting.join('\n')}\n`);
    const [cursor, lines] = [this.#cursor, this.#lines];
    this.#waiting = [];
    this.#waitingCharacters = 0;
    try {
      const file = await this.#opened();
      await writeAll(file, bytes, this.#state.bytes);
      await file.datasync();
    } catch (error) {
      this.#failure = { reason: cannotWrite(partOf(this.path), error) };
      throw this.#failure.reason;
    }
    this.#state = { ...this.#state, bytes: this.#state.bytes + bytes.length, lines, cursor };
    await writeRunState(stateOf(this.path), this.#state);
  }

  #assertSound(): void {
    if (this.#failure !== undefined) throw this.#failure.reason;
  }

  async #opened(): Promise<FileHandle> {
    if (this.#file === undefined) {
      const isNew = (await sizeOf(partOf(this.path))) === undefined;
      this.#file = await open(partOf(this.path), isNew ? 'w' : 'r+');
      await this.#file.truncate(this.#state.bytes);
    }
    return this.#file;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    if (bytesWritten === 0) throw new CliError('Nothing more can be written.');
    written += bytesWritten;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cannotWrite(path, error);
  }
}

/** After a reboot the number may be another program's. */
async function isRunning(pid: number): Promise<boolean> {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return command === undefined || command.includes('rerank');
}

export const partOf = (path: string): string => `${path}.part`;
export const stateOf = (path: string): string => `${path}.state`;
