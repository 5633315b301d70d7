import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { availableMemory } from 'node:process';
import { Worker } from 'node:worker_threads';
import type { FitSamples } from './collect-samples.js';
import { fitBytes, type FittedHead } from './fit-heads.js';

export interface ThreadedFitOptions {
  /** Told of each head when it is there, in no order. */
  readonly onHead?: ((head: FittedHead) => void) | undefined;
}

/**
 * Fits a head for each cut as `fitHeads` does, as many at once as there are cores and memory for. Features in shared memory are not copied.
 *
 * @returns in the order of the cuts
 * @throws Error of a thread: pairs of fewer queries than `LEAST_QUERIES` among others
 */
export async function fitHeadsOnThreads(samples: FitSamples, { onHead }: ThreadedFitOptions = {}): Promise<FittedHead[]> {
  const affordable = Math.floor(availableMemory() / fitBytes(samples.logits.length, samples.width));
  const threads = Math.max(1, Math.min(availableParallelism(), affordable, samples.cuts.length));
  const heads: FittedHead[] = [];
  const left = samples.cuts.keys();
  const fitNext = async (): Promise<void> => {
    // One iterator for all: each takes the next cut when it has time.
    for (const cut of left) {
      const head = await fitOnThread({ ...samples, cuts: [samples.cuts[cut]!], features: [samples.features[cut]!] });
      heads[cut] = head;
      onHead?.(head);
    }
  };
  await Promise.all(Array.from({ length: threads }, fitNext));
  return heads;
}

/** @param samples of one cut */
async function fitOnThread(samples: FitSamples): Promise<FittedHead> {
  const worker = new Worker(new URL('./fit-thread.js', import.meta.url), { workerData: samples, name: 'fit' });
  try {
    const [head] = (await Promise.race([
      once(worker, 'message'),
      once(worker, 'exit').then(() => Promise.reject(new Error('A thread that fits heads ended.'))),
    ])) as [FittedHead];
    return head;
  } finally {
    await worker.terminate();
  }
}
