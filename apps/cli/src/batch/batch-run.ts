import type { OutputStream } from '../terminal/terminal.js';
import { ResultOutput } from './result-output.js';
import type { RunState } from './run-state.js';

export type NewRun = Omit<RunState, 'v' | 'pid' | 'bytes' | 'lines' | 'cursor' | 'job'>;

/** A job on its way from its source to its results. */
export interface BatchRun {
  /** Of the results; undefined where they go to stdout. */
  readonly path: string | undefined;
  readonly state: Pick<RunState, Exclude<keyof NewRun, 'v'> | 'job'>;
  /** Of the last line that was appended. */
  readonly cursor: string | undefined;
  /** That were appended, by earlier processes as well. */
  readonly lines: number;
  /** Durable when it resolves, if anything of the run is. */
  note(change: Partial<Pick<RunState, 'job' | 'row_shift'>>): Promise<void>;
  /** Takes a line without its end. @throws CliError where the disk has failed */
  append(line: string, cursor: string): Promise<void>;
  /** All results are there. */
  finish(): Promise<void>;
  /** Leaves the run as it is, to go on with another time. */
  leave(): Promise<void>;
  /** There is nothing that anybody could go on with. */
  forget(): Promise<void>;
}

/** Results on stdout: nothing of the run outlives its process. */
export class StdoutRun implements BatchRun {
  readonly path = undefined;
  state: BatchRun['state'];
  cursor: string | undefined;
  lines = 0;
  readonly #output: ResultOutput;

  constructor(stdout: OutputStream, state: NewRun) {
    this.#output = new ResultOutput(stdout);
    this.state = state;
  }

  note(change: Partial<Pick<RunState, 'job' | 'row_shift'>>): Promise<void> {
    this.state = { ...this.state, ...change };
    return Promise.resolve();
  }

  async append(line: string, cursor: string): Promise<void> {
    this.cursor = cursor;
    this.lines += 1;
    await this.#output.append(line);
  }

  finish(): Promise<void> {
    return this.#output.finish();
  }

  leave(): Promise<void> {
    return this.#output.finish();
  }

  forget(): Promise<void> {
    return Promise.resolve();
  }
}
