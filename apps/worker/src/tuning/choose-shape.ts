import { median, type Rates } from './measure-rates.js';

export interface Measured<Option> {
  readonly option: Option;
  readonly rates: Rates;
}

/** A smaller budget answers sooner, so a larger one has to earn its place; and less than this is noise. */
const BUDGET_GAIN = 1.03;
/** The default split has the shortest waits (docs/decisions/0005-…). */
const SPLIT_GAIN = 1.05;
/** A segment shares its threads and its pairs with those before and behind it: another budget than the whole model's has to be worth it. */
const SEGMENT_GAIN = 1.05;
/** One measurement says nothing of its noise. */
const LEAST_RATES = 2;
/** Those of segments are short, and there are several segments that chance might favour one of. */
const LEAST_SEGMENT_RATES = 3;

/** The smallest budget that no other beats by more than 3 %; undefined when fewer than two could be timed. */
export function chooseBudget(measured: readonly Measured<number>[]): number | undefined {
  const known = judged(measured).sort((a, b) => a.option - b.option);
  if (known.length < 2) return undefined;
  const best = Math.max(...known.map(({ rate }) => rate));
  return known.find(({ rate }) => rate * BUDGET_GAIN >= best)?.option;
}

/**
 * The first option, which is the default, unless another is better by more than 5 % and ahead in every round that timed both; then the best of those. Undefined
 * when the default could not be timed.
 */
export function chooseSplit<Split>(measured: readonly Measured<Split>[]): Split | undefined {
  const ahead: IsAhead = (rates, standard) => rates.every((rate, round) => rate > (standard[round] ?? 0));
  return unlessBeaten(measured, { gain: SPLIT_GAIN, leastRates: LEAST_RATES, ahead });
}

/**
 * The first budget, which is the whole model's, unless another is better by more than 5 % in the median and its slowest round is faster than the fastest of the first, of three at least; then
 * the best of those. Many are compared, in short measurements: of two that are alike, one is ahead in each of five rounds once in 32 times, and wholly apart once in 252. Undefined when the
 * first, or each of the others, could not be timed so often.
 */
export function chooseSegmentBudget(measured: readonly Measured<number>[]): number | undefined {
  const others = measured.slice(1);
  if (others.length > 0 && judged(others, LEAST_SEGMENT_RATES).length === 0) return undefined;
  const ahead: IsAhead = (rates, standard) => Math.min(...rates) > Math.max(...standard);
  return unlessBeaten(measured, { gain: SEGMENT_GAIN, leastRates: LEAST_SEGMENT_RATES, ahead });
}

type IsAhead = (rates: Rates, standard: Rates) => boolean;

interface Beating {
  readonly gain: number;
  readonly leastRates: number;
  readonly ahead: IsAhead;
}

function unlessBeaten<Option>(measured: readonly Measured<Option>[], { gain, leastRates, ahead }: Beating): Option | undefined {
  const [standard] = measured;
  const known = judged(measured, leastRates);
  if (standard === undefined || known[0]?.option !== standard.option) return undefined;
  const least = known[0].rate * gain;
  const better = known.filter(({ rate, rates }) => rate > least && ahead(rates, standard.rates)).sort((a, b) => b.rate - a.rate);
  return (better[0] ?? standard).option;
}

function judged<Option>(measured: readonly Measured<Option>[], leastRates = LEAST_RATES): { option: Option; rates: Rates; rate: number }[] {
  return measured.filter(({ rates }) => rates.length >= leastRates).map(({ option, rates }) => ({ option, rates, rate: median(rates) }));
}
