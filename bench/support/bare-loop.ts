import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { silenceModelRuntime } from '@rerank-fleet/core/config';
import type { PaddedBatch } from '@rerank-fleet/worker/pipeline/batch-runner';
import type { Graph } from './default-model.ts';
import type { BareThreadCall, BareThreadData, BareThreadReply } from './bare-thread.ts';

export interface BareSplit {
  readonly sessions: number;
  readonly intraOpThreads: number;
}

/**
 * What onnxruntime-node does by itself: sessions side by side over batches that are tokenized and padded. Each takes the next batch when it is free, so none
 * idles while another has a backlog.
 */
export class BareLoop {
  readonly name: string;
  readonly split: BareSplit;
  readonly #threads: Worker[] = [];
  readonly #next = new SharedArrayBuffer(4);

  private constructor(split: BareSplit) {
    this.split = split;
    this.name = `${split.sessions} × ${split.intraOpThreads} threads`;
  }

  static async start({ onnxPath, withoutOptimizers }: Graph, split: BareSplit): Promise<BareLoop> {
    silenceModelRuntime();
    const loop = new BareLoop(split);
    for (let session = 0; session < split.sessions; session += 1) {
      const data: BareThreadData = { onnxPath, withoutOptimizers, intraOpThreads: split.intraOpThreads, next: loop.#next };
      const thread = new Worker(new URL('./bare-thread.ts', import.meta.url), { workerData: data });
      loop.#threads.push(thread);
      await once(thread, 'message');
    }
    return loop;
  }

  /** Milliseconds from the first thread's first batch to the last one's end; the way to the threads and back is not counted. */
  async run(batches: readonly PaddedBatch[]): Promise<number> {
    await this.#all({ prepare: batches });
    Atomics.store(new Int32Array(this.#next), 0, 0);
    const replies = await this.#all({ go: true });
    return Math.max(...replies.map(({ ended }) => ended)) - Math.min(...replies.map(({ began }) => began));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  async #all(call: BareThreadCall): Promise<BareThreadReply[]> {
    return await Promise.all(
      this.#threads.map(async (thread) => {
        const reply = once(thread, 'message');
        thread.postMessage(call);
        const [message] = (await reply) as [BareThreadReply];
        return message;
      }),
    );
  }
}
