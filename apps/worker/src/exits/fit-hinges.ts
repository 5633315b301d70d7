import { Adam } from './adam.js';
import { addDerivatives, drawNetwork, HINGES, runNetwork, type HingeNetwork } from './hinge-network.js';
import type { InputScales } from './input-scales.js';
import { SeededRandom } from './seeded-random.js';

export interface HingeProblem {
  /** `[pairs, size]` in row-major order. */
  readonly features: Float32Array;
  /** A multiple of four. */
  readonly size: number;
  readonly logits: Float32Array;
  readonly scales: InputScales;
  /** Pairs to learn from, two at least. */
  readonly pairs: Int32Array;
  readonly seed: number;
}

/** A network of the standardised features, whose output is the logit's distance from `level` in parts of `spread`. */
export interface HingeFit {
  readonly network: HingeNetwork;
  readonly scales: InputScales;
  readonly level: number;
  readonly spread: number;
}

const BATCH = 128;
/** Few pairs are gone through more often, so that there are steps enough. */
const [LEAST_EPOCHS, MOST_EPOCHS, LEAST_STEPS] = [12, 60, 700] as const;
const FIRST_RATE = 2e-3;
/** Of 256 inputs so many are left out, others each time, and the rest made larger by as much: no hinge can lean on a few of them. */
const DROPPED = 51;
const KEPT_SHARE = (256 - DROPPED) / 256;

/**
 * Fits hinges to the logits of pairs by gradient descent, so that the mean of squares of what they are off by is small. The same problem gives the same network.
 */
export function fitHinges(problem: HingeProblem): HingeFit {
  const { size, logits, scales, seed } = problem;
  const random = new SeededRandom(seed);
  const pairs = Int32Array.from(problem.pairs);
  const { level, spread } = levelOf(logits, pairs);
  const network = drawNetwork(size, random);
  const [adam, gradient] = [new Adam(network.values), new Float64Array(network.values.length)];
  const [x, sums] = [new Float64Array(size), new Float64Array(HINGES)];
  const batch = Math.min(BATCH, pairs.length);
  const batches = Math.floor(pairs.length / batch);
  const steps = batches * Math.min(MOST_EPOCHS, Math.max(LEAST_EPOCHS, Math.ceil(LEAST_STEPS / batches)));
  for (let step = 0; step < steps; step += 1) {
    const from = (step % batches) * batch;
    if (from === 0) random.shuffle(pairs);
    gradient.fill(0);
    for (let at = from; at < from + batch; at += 1) {
      const pair = pairs[at]!;
      drawInputs(problem, pair, { x, random });
      const miss = runNetwork(network, x, sums) - (logits[pair]! - level) / spread;
      addDerivatives(network, { x, sums, slope: (2 * miss) / batch }, gradient);
    }
    // Half a cosine, down to nothing.
    adam.step(gradient, (FIRST_RATE / 2) * (1 + Math.cos((Math.PI * (step + 1)) / steps)));
  }
  return { network, scales, level, spread };
}

/** Standardised features of a pair, some left out. */
function drawInputs(
  { features, size, scales: { centre, scale } }: HingeProblem,
  pair: number,
  { x, random }: { readonly x: Float64Array; readonly random: SeededRandom },
): void {
  const start = pair * size;
  for (let at = 0; at < size; at += 4) {
    // A byte decides on an input.
    const bits = random.bits();
    for (let lane = 0; lane < 4; lane += 1) {
      const input = at + lane;
      const isDropped = ((bits >>> (8 * lane)) & 255) < DROPPED;
      x[input] = isDropped ? 0 : ((features[start + input]! - centre[input]!) * scale[input]!) / KEPT_SHARE;
    }
  }
}

/** Mean and standard deviation; 1 for the latter where all are the same. */
function levelOf(logits: Float32Array, pairs: Int32Array): { readonly level: number; readonly spread: number } {
  const level = pairs.reduce((sum, pair) => sum + logits[pair]!, 0) / pairs.length;
  const squares = pairs.reduce((sum, pair) => sum + (logits[pair]! - level) ** 2, 0);
  return { level, spread: Math.sqrt(squares / pairs.length) || 1 };
}
