/** Where the heads of the default model are, as parts of its layers: early, where most can leave, and late, where the last of those that hardly belong do. */
const PARTS = [1 / 12, 1 / 4, 1 / 2, 2 / 3];

/** Cuts for a model of so many layers, ascending: `[1, 3, 6, 8]` of 12. A cut costs a session; with two more, after layers 2 and 4, the default model would be no faster at the same quality. */
export function defaultCuts(layers: number): number[] {
  const cuts = PARTS.map((part) => Math.min(layers - 1, Math.max(1, Math.round(part * layers))));
  return [...new Set(cuts)];
}
