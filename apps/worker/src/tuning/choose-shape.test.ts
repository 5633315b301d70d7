import { describe, expect, it } from 'vitest';
import { chooseBudget, chooseSegmentBudget, chooseSplit } from './choose-shape.js';

const measured = <Option>(rates: readonly (readonly [Option, ...number[]])[]) => rates.map(([option, ...own]) => ({ option, rates: own }));

describe('chooseBudget', () => {
  it('takes the smallest budget that no other beats by more than 3 %', () => {
    expect(
      chooseBudget(
        measured([
          [512, 970, 972],
          [1_024, 990, 990],
          [2_048, 1_000, 1_000],
        ]),
      ),
    ).toBe(512);
    expect(
      chooseBudget(
        measured([
          [512, 960, 960],
          [1_024, 990, 990],
          [2_048, 1_000, 1_000],
        ]),
      ),
    ).toBe(1_024);
    expect(
      chooseBudget(
        measured([
          [512, 500, 500],
          [1_024, 900, 900],
          [2_048, 1_000, 1_000],
        ]),
      ),
    ).toBe(2_048);
  });

  it('compares medians, so that one disturbed repetition changes nothing', () => {
    expect(
      chooseBudget(
        measured([
          [512, 1_000, 100, 1_000],
          [1_024, 900, 900, 5_000],
        ]),
      ),
    ).toBe(512);
  });

  it('does not depend on the order of the candidates', () => {
    expect(
      chooseBudget(
        measured([
          [2_048, 1_000, 1_000],
          [512, 990, 990],
        ]),
      ),
    ).toBe(512);
  });

  it('ignores what was timed once, and does not choose between fewer than two', () => {
    expect(
      chooseBudget(
        measured([
          [512, 1_000, 1_000],
          [1_024, 900, 900],
          [2_048, 9_000],
        ]),
      ),
    ).toBe(512);
    expect(
      chooseBudget(
        measured([
          [512, 1_000, 1_000],
          [1_024, 2_000],
        ]),
      ),
    ).toBeUndefined();
    expect(chooseBudget([])).toBeUndefined();
  });
});

describe('chooseSplit', () => {
  it('keeps the first unless another is better by more than 5 %', () => {
    expect(
      chooseSplit(
        measured([
          ['2x1', 1_000, 1_000],
          ['1x2', 1_049, 1_049],
        ]),
      ),
    ).toBe('2x1');
    expect(
      chooseSplit(
        measured([
          ['2x1', 1_000, 1_000],
          ['1x2', 1_060, 1_060],
        ]),
      ),
    ).toBe('1x2');
  });

  it('takes the best of several that are better', () => {
    expect(
      chooseSplit(
        measured([
          ['4x1', 1_000, 1_000],
          ['1x4', 1_200, 1_200],
          ['2x2', 1_300, 1_300],
        ]),
      ),
    ).toBe('2x2');
  });

  it('keeps the first when another is ahead in the median only', () => {
    const noisy = measured([
      ['2x1', 1_000, 1_000, 1_000],
      ['1x2', 1_200, 1_200, 990],
    ]);
    expect(chooseSplit(noisy)).toBe('2x1');
  });

  it('does not choose when the first could not be timed', () => {
    expect(
      chooseSplit(
        measured([
          ['2x1', 1_000],
          ['1x2', 2_000, 2_000],
        ]),
      ),
    ).toBeUndefined();
  });
});

describe('chooseSegmentBudget', () => {
  it('keeps the first unless another is better by more than 5 % and wholly apart from it', () => {
    const against = (...rates: readonly [number, number, number]) =>
      chooseSegmentBudget(
        measured([
          [512, 1_000, 1_000, 1_000],
          [1_024, ...rates],
        ]),
      );
    expect(against(1_060, 1_060, 1_060)).toBe(1_024);
    expect(against(1_049, 1_049, 1_049)).toBe(512);
    expect(against(1_200, 1_200, 990)).toBe(512);
    // Ahead in every round, but as slow as the other was: the machine is too noisy to tell.
    const noisy = measured([
      [512, 1_000, 700, 400],
      [1_024, 1_400, 900, 600],
    ]);
    expect(chooseSegmentBudget(noisy)).toBe(512);
  });

  it('does not judge on less than three rounds', () => {
    const short = [1_024, 2_000, 2_000] as const;
    const standard = [512, 1_000, 1_000, 1_000] as const;
    expect(chooseSegmentBudget(measured([[512, 1_000, 1_000], [256, 1_000, 1_000, 1_000], short]))).toBeUndefined();
    expect(chooseSegmentBudget(measured([standard, short]))).toBeUndefined();
    expect(chooseSegmentBudget(measured([standard, [256, 900, 900, 900], short]))).toBe(512);
  });

  it('has the first where there is no other', () => {
    expect(chooseSegmentBudget(measured([[512, 1_000, 1_000, 1_000]]))).toBe(512);
  });
});
