import { createInterface } from 'node:readline/promises';
import type { Terminal } from '../terminal/terminal.js';

export interface InterruptChoiceOptions {
  readonly terminal: Terminal;
  /** Stdin can be asked: it is a terminal, and not where the requests came from. */
  readonly canAsk: boolean;
  readonly question: string;
  readonly detach: () => void;
  readonly cancel: () => void;
  /** Around the question. */
  readonly pause: () => void;
  readonly resume: () => void;
}

/** What Ctrl-C means while a job runs: on a terminal it asks whether to detach or to cancel, and a second one detaches; elsewhere it detaches. */
export class InterruptChoice {
  readonly #options: InterruptChoiceOptions;
  readonly #onSignal = (): void => void this.#interrupted();
  #asking: AbortController | undefined;

  constructor(options: InterruptChoiceOptions) {
    this.#options = options;
    process.on('SIGINT', this.#onSignal);
  }

  dispose(): void {
    process.removeListener('SIGINT', this.#onSignal);
    this.#asking?.abort();
  }

  async #interrupted(): Promise<void> {
    const { canAsk, detach, cancel, pause, resume } = this.#options;
    if (!canAsk || this.#asking !== undefined) {
      detach();
      return;
    }
    pause();
    const answer = await this.#ask();
    if (/^d/i.test(answer)) detach();
    else {
      resume();
      if (/^c/i.test(answer)) cancel();
    }
  }

  async #ask(): Promise<string> {
    const asking = new AbortController();
    this.#asking = asking;
    const question = createInterface({ input: process.stdin, output: this.#options.terminal.stderr });
    // Readline takes Ctrl-C to itself while it asks.
    question.once('SIGINT', () => asking.abort('second'));
    try {
      return (await question.question(this.#options.question, { signal: asking.signal })).trim();
    } catch {
      this.#options.terminal.stderr.write('\n');
      return asking.signal.reason === 'second' ? 'detach' : '';
    } finally {
      question.close();
      this.#asking = undefined;
    }
  }
}
