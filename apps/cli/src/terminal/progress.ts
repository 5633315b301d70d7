import { SingleBar } from 'cli-progress';

/** Shows how far something is: a bar on a terminal, a line from time to time in a pipe, nothing when quiet. */
export interface Progress {
  /** @param total undefined or 0 while it is not known */
  update(value: number, total: number | undefined, detail: string): void;
  /** Removes the bar. */
  stop(): void;
}

const LINE_EVERY_MS = 5_000;

const SILENT: Progress = { update: () => undefined, stop: () => undefined };

export function createProgress(label: string, stream: NodeJS.WritableStream & { isTTY?: boolean }, quiet: boolean): Progress {
  if (quiet) return SILENT;
  return stream.isTTY === true ? barProgress(label, stream) : lineProgress(label, stream);
}

function barProgress(label: string, stream: NodeJS.WritableStream): Progress {
  let bar: SingleBar | undefined;
  return {
    update(value, total, detail) {
      const known = total !== undefined && total > 0;
      if (bar === undefined) {
        bar = new SingleBar({
          stream,
          format: known ? `${label} [{bar}] {percentage}% | {detail}` : `${label} | {detail}`,
          clearOnComplete: true,
          gracefulExit: false,
          barsize: 30,
        });
        bar.start(known ? total : 1, 0, { detail });
      }
      if (known) bar.setTotal(total);
      bar.update(known ? Math.min(value, total) : 0, { detail });
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

/** Short work says nothing: the result is enough. */
function lineProgress(label: string, stream: NodeJS.WritableStream): Progress {
  let shownAt = performance.now();
  return {
    update(value, total, detail) {
      if (performance.now() - shownAt < LINE_EVERY_MS) return;
      shownAt = performance.now();
      const share = total !== undefined && total > 0 ? ` ${Math.floor((100 * value) / total)}%,` : '';
      stream.write(`${label}:${share} ${detail}\n`);
    },
    stop: () => undefined,
  };
}

/** Events a second since it was made. */
export function rateMeter(): (count: number) => string {
  const startedAt = performance.now();
  return (count) => {
    const seconds = Math.max(0.001, (performance.now() - startedAt) / 1_000);
    return `${formatCount(count / seconds)}/s`;
  };
}

/** Thousands separated; one decimal below ten where there is one. */
export function formatCount(count: number): string {
  return count.toLocaleString('en', { maximumFractionDigits: count < 10 ? 1 : 0 });
}

export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${formatCount(count)} ${count === 1 ? noun : many}`;
}
