import { availableParallelism } from 'node:os';
import type { TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { fillBatches } from '../support/bare-batches.ts';
import { BareLoop } from '../support/bare-loop.ts';

const BUDGETS = [512, 1_024, 1_536, 2_048];
/** Of the passages, one in so many serves to choose the loop. */
const SCREENED = 8;
/** Others may disturb one; the shortest time counts. */
const SCREENINGS = 2;

/** onnxruntime-node by itself over passages that are tokenized, sorted by length and padded: the split of threads and the batch that are best on this machine. */
export class BareEmbedding {
  readonly name: string;
  readonly #loop: BareLoop;
  readonly #budget: number;

  private constructor(loop: BareLoop, budget: number) {
    this.#loop = loop;
    this.#budget = budget;
    this.name = `bare, ${loop.name}, ${budget} tokens`;
  }

  /** @param sorted longest first */
  static async choose(onnxPath: string, sorted: readonly TokenSequence[]): Promise<BareEmbedding> {
    const cores = availableParallelism();
    const loops: BareLoop[] = [];
    for (const sessions of new Set([1, cores])) {
      const split = { sessions, intraOpThreads: cores / sessions };
      loops.push(await BareLoop.start({ name: 'the file', onnxPath, withoutOptimizers: [] }, split));
    }
    const sample = sorted.filter((_, position) => position % SCREENED === 0);
    const contenders = loops.flatMap((loop) => BUDGETS.map((budget) => ({ loop, budget, ms: Infinity })));
    // The first batches of a session allocate its memory.
    for (const loop of loops) await loop.run(fillBatches(sample.slice(0, loop.split.sessions), 1));
    for (let turn = 0; turn < SCREENINGS; turn += 1) {
      for (const contender of contenders) {
        contender.ms = Math.min(contender.ms, await contender.loop.run(fillBatches(sample, contender.budget)));
      }
    }
    contenders.sort((a, b) => a.ms - b.ms);
    const rates = contenders.map(({ loop, budget, ms }) => `${loop.name}, ${budget} tokens: ${((sample.length / ms) * 1_000).toFixed(1)}`);
    console.log(`bare loops on ${sample.length} of the passages, passages/s: ${rates.join('; ')}\n`);
    const best = contenders[0]!;
    await Promise.all(loops.filter((loop) => loop !== best.loop).map((loop) => loop.stop()));
    return new BareEmbedding(best.loop, best.budget);
  }

  /** Milliseconds; the padding beforehand is not counted. */
  async run(sorted: readonly TokenSequence[]): Promise<number> {
    return await this.#loop.run(fillBatches(sorted, this.#budget));
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
  }
}
