import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { childEnvironment } from '../../test/support/environment.ts';
import { cpuTimeMs } from './cpu-time.ts';

export interface TextList {
  readonly query: string;
  readonly documents: readonly string[];
}

export interface Setting {
  /** Null leaves the batch to the library. */
  readonly batch: number | null;
  /** False: a call a query. True: sorted by length, over all queries where the library takes pairs. */
  readonly sorted: boolean;
}

export type PeerRequest = { readonly lists: readonly TextList[] } | { readonly queries: number; readonly setting: Setting };

interface PeerAnswer {
  readonly version?: string;
  readonly scale?: 'logit' | 'probability';
  readonly seconds?: number;
  readonly scores?: readonly (readonly number[])[];
  readonly error?: string;
}

/** What a peer made of the candidates of some queries. */
export interface Scored {
  readonly seconds: number;
  /** Of the process, all threads. */
  readonly cpuMs: number;
  readonly logits: readonly (readonly number[])[];
}

export interface PeerCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
}

/** No library may look for a hub, or count its users. */
const OFFLINE = { HF_HUB_OFFLINE: '1', TRANSFORMERS_OFFLINE: '1', HF_HUB_DISABLE_TELEMETRY: '1', INFINITY_ANONYMOUS_USAGE_STATS: '0' };

const logit = (probability: number): number => Math.log(probability / (1 - probability));

/** A library in a process of its own: loaded once, timed by itself, stopped in its tracks while it is another's turn. */
export class PeerProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string, undefined>;
  #errors = '';
  #scale: 'logit' | 'probability' = 'logit';
  #version = '';

  private constructor({ name, command, args }: PeerCommand) {
    this.name = name;
    this.#child = spawn(command, args, { stdio: 'pipe', env: childEnvironment(OFFLINE) });
    this.#child.stderr!.setEncoding('utf8').on('data', (chunk: string) => {
      this.#errors = (this.#errors + chunk).slice(-4_000);
    });
    // A process that could not start, or died, ends its standard output: the next question finds out.
    this.#child.on('error', (error) => (this.#errors += error.message));
    this.#child.stdin!.on('error', () => undefined);
    this.#answers = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]();
  }

  /** Rejects with the last line that the process wrote when it does not come up. */
  static async start(command: PeerCommand, lists: readonly TextList[]): Promise<PeerProcess> {
    const peer = new PeerProcess(command);
    const { version, scale } = await peer.#answer();
    peer.#version = version!;
    peer.#scale = scale!;
    await peer.#ask({ lists });
    peer.#child.kill('SIGSTOP');
    return peer;
  }

  get version(): string {
    return this.#version;
  }

  /** Scores the first `queries` lists; the time is what its library took, without the way there. */
  async score(queries: number, setting: Setting): Promise<Scored> {
    const before = cpuTimeMs(this.#child.pid!);
    this.#child.kill('SIGCONT');
    const { seconds, scores, error } = await this.#ask({ queries, setting });
    this.#child.kill('SIGSTOP');
    if (error !== undefined) throw new Error(error);
    const cpuMs = cpuTimeMs(this.#child.pid!) - before;
    return { seconds: seconds!, cpuMs, logits: this.#scale === 'logit' ? scores! : scores!.map((list) => list.map(logit)) };
  }

  stop(): void {
    this.#child.kill('SIGKILL');
  }

  async #ask(request: PeerRequest): Promise<PeerAnswer> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    return this.#answer();
  }

  async #answer(): Promise<PeerAnswer> {
    const next = await this.#answers.next();
    if (next.done === true) throw new Error(this.#errors.trim().split('\n').at(-1) ?? 'It ended without a word.');
    return JSON.parse(next.value) as PeerAnswer;
  }
}
