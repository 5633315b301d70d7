import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { PUBLISHED_FIGURES, PUBLISHED_PICTURE } from '../../bench/early-exit/bench-curve.ts';
import { renderCurve, type CurveFigures, type CurvePoint } from '../../bench/early-exit/curve-plot.ts';

const point = (margin: number | null, ratio: number, ndcg: number): CurvePoint => ({
  margin,
  ratio,
  ndcg,
  pairsPerS: 100 * ratio,
  layers: 1 / ratio,
});
const FIGURES: CurveFigures = {
  set: 'a set',
  queries: 43,
  depth: 100,
  rounds: 2,
  machine: 'a machine',
  efforts: { balanced: 1.7, fast: 1.25 },
  points: [point(null, 1, 0.72), point(3, 1.5, 0.721), point(1.7, 2.1, 0.718), point(1.25, 2.4, 0.71), point(0.75, 3, 0.69)],
};

const numbersOf = (picture: string, pattern: RegExp): number[] => [...picture.matchAll(pattern)].map(([, number]) => Number(number));

describe('the picture of quality against speed', () => {
  it('has a point a margin, faster ones further right and better ones higher', () => {
    const picture = renderCurve(FIGURES);
    const circles = [numbersOf(picture, /<circle cx="([\d.]+)"/g), numbersOf(picture, /<circle [^>]*cy="([\d.]+)"/g)] as const;
    expect(circles[0]).toEqual(circles[0].toSorted((a, b) => a - b));
    expect(circles[0]).toHaveLength(3);
    // Above is less: 0.72, 0.721, 0.69.
    expect(circles[1][1]).toBeLessThan(circles[1][0]!);
    expect(circles[1][2]).toBeGreaterThan(circles[1][0]!);
  });

  it('names the points of the efforts, and no others', () => {
    const picture = renderCurve(FIGURES);
    expect(picture.match(/>(balanced|fast)</g)).toEqual(['>balanced<', '>fast<']);
    expect(picture.match(/<rect x=/g)).toHaveLength(2);
    const others = renderCurve({ ...FIGURES, efforts: { balanced: 9, fast: 8 } });
    expect(others).not.toMatch(/>(balanced|fast)</);
  });

  it('says what it is of, on a ground of its own that suits a dark page too', () => {
    const picture = renderCurve(FIGURES);
    expect(picture).toMatch(
      /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^>]*>\n<title>[^<]+<\/title>\n<rect width="\d+" height="\d+" fill="#ffffff"\/>/,
    );
    expect(picture).toContain('43 queries with 100 candidates each, 2 rounds');
    expect(picture).toContain('a machine');
  });

  it('has labels at round numbers that fit its axes', () => {
    const labels = [...renderCurve(FIGURES).matchAll(/text-anchor="end">([\d.]+)</g)].map(([, label]) => label);
    expect(labels).toEqual(['0.69', '0.70', '0.71', '0.72']);
    expect(renderCurve({ ...FIGURES, points: FIGURES.points.slice(0, 1) })).not.toContain('NaN');
  });
});

describe('docs/early-exit.svg', () => {
  it('is what the figures of its run draw', (context) => {
    context.skip(!existsSync(PUBLISHED_FIGURES), 'no run was published');
    const figures = JSON.parse(readFileSync(PUBLISHED_FIGURES, 'utf8')) as CurveFigures;
    expect(readFileSync(PUBLISHED_PICTURE, 'utf8')).toBe(renderCurve(figures));
  });
});
