import { median, type Rates } from './measure-rates.js';

export interface Measured<Option> {
  readonly option: Option;
  readonly rates: Rates;
}

/** A smaller budget answers sooner, so a larger one has to earn its place; and less than this is noise. */
const BUDGET_GAIN = 1.03;
/** The default split has the shortest waits (docs/decisions/0005-…). */
const SPLIT_GAIN = 1.05;
/** One measurement says nothing of its noise. */
const LEAST_RATES = 2;

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
  const [standard] = measured;
  const known = judged(measured);
  if (standard === undefined || known[0]?.option !== standard.option) return undefined;
  const least = known[0].rate * SPLIT_GAIN;
  const ahead = (rates: Rates): boolean => rates.every((rate, round) => rate > (standard.rates[round] ?? 0));
  const better = known.filter(({ rate, rates }) => rate > least && ahead(rates)).sort((a, b) => b.rate - a.rate);
  return (better[0] ?? standard).option;
}

function judged<Option>(measured: readonly Measured<Option>[]): { option: Option; rates: Rates; rate: number }[] {
  return measured.filter(({ rates }) => rates.length >= LEAST_RATES).map(({ option, rates }) => ({ option, rates, rate: median(rates) }));
}
