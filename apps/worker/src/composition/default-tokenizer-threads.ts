import type { Device } from '../tuning/engine-shape.js';

/** One makes 2.5 M tokens/s (docs/performance.md). A large GPU runs a model of the default one's size at a few million at most, larger ones at less. */
const MOST = 4;

/**
 * Threads that tokenize where nobody says how many. On a CPU tokenizing takes 1 to 2 % of what the model does, so that another thread would only wait. A GPU is kept busy by
 * several, and leaves the cores idle; half of them stay for the main thread, the one that feeds the GPU, and stores.
 */
export function defaultTokenizerThreads(device: Device, cores: number): number {
  return device === 'cpu' ? 1 : Math.min(MOST, Math.max(1, Math.floor(cores / 2)));
}
