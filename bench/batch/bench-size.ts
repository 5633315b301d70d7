import type { FakeModelShape } from './fake-model.ts';

/** How much of everything a run takes. */
export interface BenchSize {
  /** Of the large job, and of each upload. */
  readonly rows: number;
  /** Documents of a rerank row. */
  readonly candidates: number;
  readonly documentBytes: number;
  readonly workers: number;
  /** That the simulated workers are shared out among. */
  readonly processes: number;
  readonly shape: FakeModelShape;
  /** Seconds of a point of the curve. */
  readonly seconds: number;
  readonly repeats: number;
  /** Where the curve goes as SVG. */
  readonly svg: string | undefined;
  readonly profile: string | undefined;
}
