import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { EXIT_MARGINS } from '@rerank-fleet/worker/exits/exit-margins';
import { describeMachine, printTable } from '../support/report.ts';
import type { EvaluationSet } from './bench-efforts.ts';
import { renderCurve, type CurveFigures } from './curve-plot.ts';
import { measureCurve } from './curve.ts';

/** What the picture in the documentation is drawn from. */
export const PUBLISHED_FIGURES = fileURLToPath(new URL('curve.json', import.meta.url));
export const PUBLISHED_PICTURE = fileURLToPath(new URL('../../docs/early-exit.svg', import.meta.url));

export interface CurveOptions {
  readonly rounds: number;
  /** File for the picture. */
  readonly svg?: string | undefined;
  /** Into the documentation. */
  readonly publish: boolean;
}

/** Quality against speed for many margins, as a table and as a picture. */
export async function benchCurve(set: EvaluationSet, { rounds, svg, publish }: CurveOptions): Promise<void> {
  const { points, off, quiet } = await measureCurve(set, rounds);
  const run = { set: set.name, queries: set.lists.length, depth: set.depth, rounds, machine: describeMachine() };
  const figures: CurveFigures = { ...run, efforts: EXIT_MARGINS, points };
  console.log(`${run.machine}\n${set.name}: ${set.lists.length} queries, ${quiet} quiet rounds of ${rounds}, engine only\n`);
  printTable(
    ['margin in σ', 'pairs/s', '÷ all layers', 'share of layers run', 'nDCG@10'],
    points.map(({ margin, pairsPerS, ratio, layers, ndcg }) => [
      margin === null ? 'none leaves' : margin.toFixed(2),
      pairsPerS.toFixed(1),
      ratio.toFixed(2),
      `${(layers * 100).toFixed(0)} %`,
      ndcg.toFixed(4),
    ]),
  );
  const where = [...off].map(([layer, sigmas]) => `${sigmas.toFixed(2)} after layer ${layer}`);
  console.log(`\nWhere none leaves, predictions are off by so many σ of the fit (root mean square): ${where.join(', ')}`);
  const picture = renderCurve(figures);
  if (svg !== undefined) await writeFile(svg, picture);
  if (!publish) return;
  await writeFile(PUBLISHED_FIGURES, `${JSON.stringify(figures, undefined, 2)}\n`);
  await writeFile(PUBLISHED_PICTURE, picture);
}
