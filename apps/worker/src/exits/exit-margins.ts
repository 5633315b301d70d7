import type { Effort } from '@rerank-fleet/core/ports';

/**
 * By effort: how far below the last result wanted a pair's prediction may be, in standard deviations of what predictions of that cut are off by. Chosen by what
 * they lose on TREC DL 2019 (docs/performance.md, early exit).
 */
export const EXIT_MARGINS: Readonly<Record<Exclude<Effort, 'full'>, number>> = { balanced: 2, fast: 1.2 };
