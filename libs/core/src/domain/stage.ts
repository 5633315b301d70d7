/** One cross-encoder pass of a cascade. */
export interface Stage {
  /** Name of the model, as a client may write it. */
  readonly model: string;
  /** How many of what it scored go on, or come back from the last stage. Only the last stage may leave it out. */
  readonly keep?: number;
}

/** The most results that a cascade gives. */
export function mostResultsOf(stages: readonly Stage[]): number {
  return stages.reduce((least, { keep = Infinity }) => Math.min(least, keep), Infinity);
}
