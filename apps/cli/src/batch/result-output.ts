import { once } from 'node:events';
import type { OutputStream } from '../terminal/terminal.js';

const FLUSH_CHARACTERS = 65_536;
const FLUSH_MS = 200;

/** Result lines on stdout, no faster than their reader takes them. */
export class ResultOutput {
  readonly #stream: OutputStream;
  #waiting: string[] = [];
  #characters = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  async append(line: string): Promise<void> {
    this.#waiting.push(line, '\n');
    this.#characters += line.length + 1;
    if (this.#characters < FLUSH_CHARACTERS) this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS);
    else if (!this.#flush()) await once(this.#stream, 'drain');
  }

  /** Hands over what waits. */
  async finish(): Promise<void> {
    if (!this.#flush()) await once(this.#stream, 'drain');
  }

  #flush(): boolean {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const text = this.#waiting.join('');
    this.#waiting = [];
    this.#characters = 0;
    return text === '' || this.#stream.write(text);
  }
}
