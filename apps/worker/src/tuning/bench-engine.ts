import { stat } from 'node:fs/promises';
import { availableMemory } from 'node:process';
import type { EngineBenchBody } from '@rerank-fleet/core/contracts';
import type { InferenceModel } from '../inference/inference-messages.js';
import type { TokenSequence } from '../pipeline/batch-runner.js';
import type { SequenceEncoder } from '../pipeline/sequence-encoder.js';
import { affordableSplits, splitCandidates, type Device, type Split } from './engine-shape.js';
import { describeHardware } from './hardware.js';
import { measureRates, median, pairsOf, type Candidate, type Rates } from './measure-rates.js';
import { layersOf, measureSegments, mostPairs, segmentRoom, type CutModel } from './measure-segments.js';
import { sampleSequence } from './sample-sequence.js';
import type { RunnerGroup } from './tune-engine.js';

export interface EngineBenchOptions {
  readonly model: { readonly name: string; readonly precision: string; readonly sha256: string; readonly onnxPath: string };
  readonly device: Device;
  readonly encoder: SequenceEncoder;
  /** Starts the model in a split, with its segments where `segmented` is given. */
  readonly start: (split: Split, segmented?: InferenceModel['segmented']) => Promise<RunnerGroup>;
  /** The model in segments, where it has heads. */
  readonly cut?: CutModel | undefined;
  /** Tokens of each pair. */
  readonly length: number;
  readonly rounds: number;
  /** Padded tokens of a batch. @defaultValue doubling steps around the device's default */
  readonly budgets?: readonly number[] | undefined;
  readonly onnxruntime: string;
  readonly onRound: (round: number) => void;
}

const BUDGETS: Readonly<Record<Device, readonly number[]>> = {
  cpu: [128, 256, 512, 1_024, 2_048, 4_096, 8_192],
  cuda: [1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536],
  webgpu: [1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536],
};

/** Times every split at every budget, in turn. A split whose sessions do not load rejects. */
export async function benchEngine(options: EngineBenchOptions): Promise<EngineBenchBody> {
  const { model, device, length, rounds, onnxruntime } = options;
  const hardware = await describeHardware(device);
  const splits = splitCandidates(device, hardware.cores);
  const affordable = affordableSplits(splits, (await stat(model.onnxPath)).size, availableMemory());
  const sample = await sampleSequence(options.encoder, model.sha256, length);
  const groups: RunnerGroup[] = [];
  try {
    for (const split of affordable) groups.push(await options.start(split));
    const candidates = affordable.flatMap((split, at) =>
      budgetsOf(options).map((maxBatchTokens) => ({ split, runners: groups[at]!.runners, maxBatchTokens })),
    );
    const rates = await measureRates(candidates, { model: model.sha256, sample, rounds, deadline: Infinity, onRound: options.onRound });
    for (const group of groups.splice(0)) await group.close();
    const { segments, failed } = await benchSegments(options, { split: affordable[0]!, sample });
    const timed = candidates.map((candidate, at) => ({ candidate, rates: rates[at] ?? [] }));
    return {
      model: { name: model.name, precision: model.precision, sha256: model.sha256 },
      machine: { ...hardware, onnxruntime, node: process.version },
      sequence_tokens: length,
      rounds,
      points: timed
        .filter((point) => point.rates.length > 0)
        .map((point) => describePoint(point.candidate, point.rates, sample.ids.length)),
      ...(segments.length === 0 ? {} : { segments }),
      left_out: [
        ...splits.filter((split) => !affordable.includes(split)).map((split) => `${nameOf(split)}: not enough free memory`),
        ...timed
          .filter((point) => point.rates.length === 0)
          .map(({ candidate }) => `${nameOf(candidate.split)} at ${candidate.maxBatchTokens} tokens: the model failed`),
        ...failed,
      ],
    };
  } finally {
    await Promise.all(groups.map((group) => group.close()));
  }
}

/** A budget below one pair is that of one pair. */
function budgetsOf({ budgets, device, length }: EngineBenchOptions): number[] {
  return [...new Set((budgets ?? BUDGETS[device]).map((budget) => Math.max(budget, length)))].sort((a, b) => a - b);
}

const nameOf = ({ sessions, intraOpThreads }: Split): string => `${sessions} × ${intraOpThreads}`;

interface SegmentFigures {
  readonly segments: NonNullable<EngineBenchBody['segments']>;
  /** What could not be timed, and why. */
  readonly failed: readonly string[];
}

/** Alone, after the whole model: segments take the model's memory once more. */
async function benchSegments(
  options: EngineBenchOptions,
  { split, sample }: { readonly split: Split; readonly sample: TokenSequence },
): Promise<SegmentFigures> {
  const { cut, rounds } = options;
  if (cut === undefined) return { segments: [], failed: [] };
  const budgets = budgetsOf(options);
  const room = segmentRoom(cut, sample, { runners: split.sessions, pairs: mostPairs(budgets, sample) });
  let group: RunnerGroup | undefined;
  try {
    group = await options.start(split, room.model.segmented);
    const bySegment = await measureSegments({ room, runners: group.runners, budgets }, { sample, rounds, deadline: Infinity });
    const segments = cut.segmented.segments.flatMap((segment, number) =>
      budgets.flatMap((maxBatchTokens, at) => {
        const rates = bySegment[number]![at]!;
        return rates.length === 0 ? [] : [{ layers: layersOf(segment), ...describeRates({ maxBatchTokens }, rates, sample.ids.length) }];
      }),
    );
    return { segments, failed: [] };
  } catch {
    return { segments: [], failed: ['segments: they failed'] };
  } finally {
    await group?.close();
  }
}

function describePoint(candidate: Candidate & { readonly split: Split }, rates: Rates, length: number): EngineBenchBody['points'][number] {
  const { sessions, intraOpThreads } = candidate.split;
  return { sessions, intra_op_threads: intraOpThreads, ...describeRates(candidate, rates, length) };
}

function describeRates(candidate: Pick<Candidate, 'maxBatchTokens'>, rates: Rates, length: number) {
  const tokensPerSecond = median(rates);
  return {
    max_batch_tokens: candidate.maxBatchTokens,
    pairs_per_batch: pairsOf(candidate, { ids: { length } }),
    pairs_per_s: round(tokensPerSecond / length),
    tokens_per_s: Math.round(tokensPerSecond),
    spread: round((Math.max(...rates) - Math.min(...rates)) / tokensPerSecond, 3),
  };
}

const round = (value: number, digits = 1): number => Number(value.toFixed(digits));
