import { TINY_WORDS } from '../support/tiny-models/index.ts';
import { Random } from './random.ts';

/** The word that every document of a run's own corpus holds, so that one search finds all. */
export const COMMON_WORD = 'garden';

const random = new Random(20);
const words = (count: number): string => Array.from({ length: count }, () => random.pick(TINY_WORDS)).join(' ');

/** All pairs of requests are made of these, so that one table of logits judges every answer. */
export const QUERIES: readonly string[] = Array.from({ length: 6 }, () => words(random.whole(2, 5)));
export const TEXTS: readonly string[] = Array.from({ length: 48 }, () => words(random.whole(3, 24)));
