import { SingleBar } from 'cli-progress';
import type { PullProgress } from '@rerank-fleet/core/models';

export interface DownloadProgress {
  readonly onProgress: (progress: PullProgress) => void;
  readonly onNote: (line: string) => void;
  /** Removes the bar. */
  stop(): void;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

function barProgress(output: NodeJS.WriteStream): DownloadProgress {
  let bar: SingleBar | undefined;
  const stop = (): void => {
    bar?.stop();
    bar = undefined;
  };
  return {
    onProgress: ({ item, received, total }) => {
      const payload = { item, mb: megabytes(received), totalMb: total === undefined ? '?' : megabytes(total) };
      if (bar === undefined) {
        bar = new SingleBar({
          stream: output,
          format: '{item} [{bar}] {percentage}% | {mb}/{totalMb} MB',
          clearOnComplete: true,
          hideCursor: true,
        });
        bar.start(total ?? 0, received, payload);
      }
      bar.setTotal(total ?? 0);
      bar.update(received, payload);
    },
    onNote: (line) => {
      stop();
      output.write(`${line}\n`);
    },
    stop,
  };
}

/** A line at the start and one every quarter: a log should tell that it goes on, and no more. */
function lineProgress(output: NodeJS.WritableStream): DownloadProgress {
  const quarters = new Map<string, number>();
  return {
    onProgress: ({ item, received, total }) => {
      const quarter = total === undefined || total === 0 ? 0 : Math.floor((received / total) * 4);
      if (quarters.get(item) === quarter) return;
      quarters.set(item, quarter);
      output.write(
        total === undefined ? `${item}: ${megabytes(received)} MB\n` : `${item}: ${megabytes(received)} of ${megabytes(total)} MB\n`,
      );
    },
    onNote: (line) => {
      output.write(`${line}\n`);
    },
    stop: () => undefined,
  };
}

/** A bar on a terminal, lines in a pipe. */
export function downloadProgress(output: NodeJS.WriteStream = process.stderr): DownloadProgress {
  return output.isTTY ? barProgress(output) : lineProgress(output);
}
