import type { InferenceModel, SegmentedModel } from '../inference/inference-messages.js';
import { padBatch, type BatchRunner, type TokenSequence } from '../pipeline/batch-runner.js';
import { PAGE_TOKENS, pagesFor } from '../pipeline/state-pages.js';
import { measureRates, pairsOf, type Candidate, type MeasureOptions, type Rates } from './measure-rates.js';

/** A model cut between its layers, before there is memory for hidden states. It can be sent to another process. */
export type CutModel = Omit<InferenceModel, 'segmented'> & { readonly segmented: Omit<SegmentedModel, 'memory'> };

export interface SegmentRoom {
  /** The model as threads load it. */
  readonly model: InferenceModel;
  /** By runner: pairs that no other runner has, so that none writes to another's hidden states. */
  readonly pairs: readonly (readonly TokenSequence[])[];
}

/** Room for the hidden states of so many pairs of each runner. */
export function segmentRoom(
  model: CutModel,
  sample: TokenSequence,
  { runners, pairs }: { readonly runners: number; readonly pairs: number },
): SegmentRoom {
  const length = sample.ids.length;
  const pages = pagesFor(length);
  const bytes = runners * pairs * pages * PAGE_TOKENS * model.segmented.width * Float32Array.BYTES_PER_ELEMENT;
  const queryEnd = Math.max(1, Math.min(8, length - 1));
  const span = [0, queryEnd, queryEnd, length] as const;
  const pairAt = (number: number): TokenSequence => ({
    ...sample,
    state: { pages: Int32Array.from({ length: pages }, (_, page) => number * pages + page), span },
  });
  return {
    model: { ...model, segmented: { ...model.segmented, memory: new SharedArrayBuffer(bytes) } },
    pairs: Array.from({ length: runners }, (_, runner) => Array.from({ length: pairs }, (__, pair) => pairAt(runner * pairs + pair))),
  };
}

export interface SegmentsToMeasure {
  readonly room: SegmentRoom;
  readonly runners: readonly BatchRunner[];
  /** Padded tokens of a batch, each of which is timed for every segment. */
  readonly budgets: readonly number[];
}

/**
 * Times every segment at every budget, budget by budget and in the order of the layers, so that each segment runs on what the one before it left behind. The first run, which
 * loads the segments in every thread, is not timed.
 *
 * @returns by segment and budget, the rates of each repetition
 */
export async function measureSegments(
  { room, runners, budgets }: SegmentsToMeasure,
  options: Omit<MeasureOptions, 'model'>,
): Promise<Rates[][]> {
  const { sha256, segmented } = room.model;
  const segments = [...(segmented?.segments ?? []).keys()];
  const batchOf =
    (segment: number): NonNullable<Candidate['batchOf']> =>
    (pairs, runner) =>
      padBatch(sha256, room.pairs[runner]!.slice(0, pairs), segment);
  for (const segment of segments) await Promise.all(runners.map((runner, at) => runner.run(batchOf(segment)(1, at))));
  const candidates = budgets.flatMap((maxBatchTokens) =>
    segments.map((segment): Candidate => ({ runners, maxBatchTokens, batchOf: batchOf(segment) })),
  );
  const rates = await measureRates(candidates, { ...options, model: sha256 });
  return segments.map((segment) => budgets.map((_, at) => rates[at * segments.length + segment]!));
}

/** Pairs of the largest batch there will be. */
export const mostPairs = (budgets: readonly number[], sample: TokenSequence): number =>
  Math.max(...budgets.map((maxBatchTokens) => pairsOf({ maxBatchTokens }, sample)));

/** `3-4`: the first and the last layer of a segment, counted from 1. */
export const layersOf = ({ layers: [from, to] }: { readonly layers: readonly [number, number] }): string => `${from + 1}-${to}`;
