export interface MemoryWatchOptions {
  /** WORKER_MAX_RSS_BYTES: 0 watches nothing, undefined takes the default. */
  readonly maxRssBytes: number | undefined;
  /** Called once. The worker is to end in order, and its supervisor to start a new one. */
  readonly onExceeded: (reading: MemoryReading) => void;
  /** The bound lies below what the models alone take, so the default is used instead. */
  readonly onUnfit: (reading: MemoryReading) => void;
  /** What models may still take that are loaded when they are first asked for; counted as if it were taken. @defaultValue 0 */
  readonly lateBytes?: number;
  /** @defaultValue RSS of this process */
  readonly readRssBytes?: () => number;
  /** @defaultValue 2,000 */
  readonly periodMs?: number;
}

export interface MemoryReading {
  readonly rssBytes: number;
  readonly limitBytes: number;
  /** After the warm-up, with what may still be loaded. */
  readonly baselineBytes: number;
}

const GROWTH = 1.5;
const HEADROOM_BYTES = 512 * 2 ** 20;
/** Readings in a row: memory that is given back at once is no growth. */
const READINGS = 3;

const defaultLimit = (baselineBytes: number): number => Math.round(baselineBytes * GROWTH) + HEADROOM_BYTES;

/**
 * Watches this process' memory from the end of its warm-up on. Native memory is never given back whole, and sessions that are loaded again leak: what helps
 * is a new process.
 */
export class MemoryWatch {
  readonly #timer: NodeJS.Timeout | undefined;

  /** Call it when the models are warm: the default bound is derived from what they take. */
  constructor(options: MemoryWatchOptions) {
    const { maxRssBytes, onExceeded, onUnfit, lateBytes = 0, readRssBytes = () => process.memoryUsage.rss(), periodMs = 2_000 } = options;
    if (maxRssBytes === 0) return;
    const baselineBytes = readRssBytes() + lateBytes;
    const fits = maxRssBytes !== undefined && maxRssBytes > baselineBytes;
    const limitBytes = fits ? maxRssBytes : defaultLimit(baselineBytes);
    if (maxRssBytes !== undefined && !fits) onUnfit({ rssBytes: baselineBytes, limitBytes, baselineBytes });
    let beyond = 0;
    this.#timer = setInterval(() => {
      const rssBytes = readRssBytes();
      beyond = rssBytes > limitBytes ? beyond + 1 : 0;
      if (beyond < READINGS) return;
      this.stop();
      onExceeded({ rssBytes, limitBytes, baselineBytes });
    }, periodMs);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
