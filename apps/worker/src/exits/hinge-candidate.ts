import { fitHinges } from './fit-hinges.js';
import { measure, type HeadCandidate, type HeadProblem } from './head-problem.js';
import type { HingeFigures } from './heads-schema.js';
import { hingeFigures } from './hinge-figures.js';
import { HingeHead } from './hinge-head.js';
import { inputScales } from './input-scales.js';

/** Fits a head of hinges, on all pairs, and measures it by heads that were fitted without one fold each. */
export function hingeCandidate(problem: HeadProblem): HeadCandidate<HingeFigures> {
  const { features, size, logits, order, folds, layer } = problem;
  const scales = inputScales(features, size);
  const fit = (pairs: Int32Array, seed: number): HingeFigures =>
    hingeFigures(fitHinges({ features, size, logits, scales, pairs, seed: layer * (folds.length + 1) + seed }));
  const heldOut = new Float32Array(order.length);
  folds.forEach(([from, to], at) => {
    const others = order.filter((_, row) => row < from || row >= to);
    // As a file has it: what rounding takes is counted.
    const head = new HingeHead({ layer, sigma: 1, correlation: 0, ...fit(others, at) }, size);
    for (const pair of order.subarray(from, to)) heldOut[pair] = head.predict(features.subarray(pair * size, (pair + 1) * size));
  });
  return { kind: 'hinges', figures: fit(order, folds.length), measure: measure(heldOut, problem), heldOut };
}
