import type { ResolvedModel } from '@rerank-fleet/core/domain';
import type { PaddedBatch } from '@rerank-fleet/worker/pipeline/batch-runner';
import { fillBatches, levelBatches, taperBatches, tokenizeSorted, type QueryWithDocuments } from '../support/bare-batches.ts';
import { BareLoop, type BareSplit } from '../support/bare-loop.ts';
import { graphOf } from '../support/default-model.ts';
import { median } from '../support/report.ts';

/** A way to cut one request's pairs into batches. */
interface Cut {
  readonly name: string;
  readonly make: (sorted: ReturnType<typeof tokenizeSorted>, sessions: number) => PaddedBatch[];
}

const CUTS: readonly Cut[] = [
  ...[512, 1_024].map((budget): Cut => ({ name: `${budget} tokens`, make: (sorted) => fillBatches(sorted, budget) })),
  ...[512, 1_024].map((budget): Cut => ({
    name: `${budget} tokens, tapered`,
    make: (sorted, sessions) => taperBatches(sorted, budget, sessions),
  })),
  ...[1, 2, 3, 4, 6, 8].map((each): Cut => ({
    name: `${each} level batches a session`,
    make: (sorted, sessions) => levelBatches(sorted, each * sessions),
  })),
];
const TRIALS = 7;

/** The bare model call for the pairs of one request, on as many sessions and threads as the worker has. */
export class BareCalls {
  readonly #model: ResolvedModel;
  readonly #loop: BareLoop;
  readonly #wide: BareLoop;

  private constructor(model: ResolvedModel, { loop, wide }: { readonly loop: BareLoop; readonly wide: BareLoop }) {
    this.#model = model;
    this.#loop = loop;
    this.#wide = wide;
  }

  static async start(model: ResolvedModel, split: BareSplit): Promise<BareCalls> {
    const graph = await graphOf(model);
    const wide = { sessions: 1, intraOpThreads: split.sessions * split.intraOpThreads };
    return new BareCalls(model, { loop: await BareLoop.start(graph, split), wide: await BareLoop.start(graph, wide) });
  }

  get name(): string {
    return this.#loop.name;
  }

  /** Ways to cut, the fastest on these requests first. Each trial times all of them on one request; the median of their ratios to the trial's best orders. */
  async rankCuts(requests: readonly QueryWithDocuments[]): Promise<string[]> {
    const ratios = new Map(CUTS.map(({ name }) => [name, [] as number[]]));
    for (let trial = 0; trial < TRIALS; trial += 1) {
      const request = requests[Math.floor((trial * requests.length) / TRIALS)]!;
      const times: [name: string, ms: number][] = [];
      for (const { name } of CUTS) times.push([name, await this.ms(request, name)]);
      const best = Math.min(...times.map(([, ms]) => ms));
      for (const [name, ms] of times) ratios.get(name)!.push(ms / best);
    }
    return CUTS.map(({ name }) => name).sort((a, b) => median(ratios.get(a)!) - median(ratios.get(b)!));
  }

  /** Milliseconds inside the model; tokenizing and padding are not counted. */
  async ms(request: QueryWithDocuments, cut: string): Promise<number> {
    const { make } = CUTS.find(({ name }) => name === cut)!;
    return await this.#loop.run(make(tokenizeSorted(this.#model, [request]), this.#loop.split.sessions));
  }

  /** The same for all pairs in one run, of one session that has all threads. */
  async oneRunMs(request: QueryWithDocuments): Promise<number> {
    return await this.#wide.run(levelBatches(tokenizeSorted(this.#model, [request]), 1));
  }

  async stop(): Promise<void> {
    await this.#wide.stop();
    await this.#loop.stop();
  }
}
