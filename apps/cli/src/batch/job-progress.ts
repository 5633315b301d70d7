import type { BatchJobBody } from '@rerank-fleet/client';
import { formatDuration } from '../terminal/duration.js';
import { createProgress, formatCount, plural } from '../terminal/progress.js';
import { RateWindow } from '../terminal/rate-window.js';
import type { Terminal } from '../terminal/terminal.js';

/** A bar of a job: rows and pairs a second, time left, errors. */
export class JobProgress {
  readonly #terminal: Terminal;
  readonly #rows = new RateWindow();
  readonly #pairs = new RateWindow();
  #bar: ReturnType<typeof createProgress>;
  #isPaused = false;
  #latest: readonly [done: number, total: number, detail: string] | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#bar = createProgress('scoring', terminal.stderr, terminal.quiet);
  }

  show(job: BatchJobBody): void {
    const { total, processing, errored } = job.request_counts;
    const done = total - processing;
    const rates = [
      ...rate(this.#rows.add(done), 'rows/s'),
      ...rate(this.#pairs.add(job.progress.pairs_done), 'pairs/s'),
      ...(job.progress.eta_s === undefined ? [] : [`${formatDuration(job.progress.eta_s)} left`]),
      ...(errored === 0 ? [] : [`${formatCount(errored)} errored`]),
      ...(job.status === 'in_progress' ? [] : [job.status]),
    ];
    this.#latest = [done, total, [`${formatCount(done)} of ${plural(total, 'row')}`, ...rates].join(', ')];
    if (!this.#isPaused) this.#bar.update(...this.#latest);
  }

  /** Leaves the terminal to a question. */
  pause(): void {
    this.#isPaused = true;
    this.#bar.stop();
  }

  resume(): void {
    this.#isPaused = false;
    this.#bar = createProgress('scoring', this.#terminal.stderr, this.#terminal.quiet);
    if (this.#latest !== undefined) this.#bar.update(...this.#latest);
  }

  stop(): void {
    this.#isPaused = true;
    this.#bar.stop();
  }
}

function rate(perSecond: number | undefined, unit: string): string[] {
  return perSecond === undefined ? [] : [`${formatCount(perSecond)} ${unit}`];
}
