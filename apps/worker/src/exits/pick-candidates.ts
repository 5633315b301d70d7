/** Always taken: whether heads keep these apart from the rest is what counts. */
const BEST = 4;

/** So many of a ranked list, or all: the best few, and others evenly from further down. */
export function pickCandidates<T>(ranked: readonly T[], count: number): T[] {
  return [...ranked.slice(0, Math.min(BEST, count)), ...pickEvenly(ranked.slice(BEST), count - BEST)];
}

/** So many items of a list, or all, from its beginning to its end. */
export function pickEvenly<T>(items: readonly T[], count: number): T[] {
  const taken = Math.max(0, Math.min(count, items.length));
  return Array.from({ length: taken }, (_, at) => items[Math.floor((at * items.length) / taken)]!);
}
