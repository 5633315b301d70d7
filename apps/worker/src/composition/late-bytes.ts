import { SESSION_PER_FILE } from '../tuning/engine-shape.js';

export interface LateModel {
  /** Size of the model's file. */
  readonly fileBytes: number;
  /** The file itself is loaded late, beside a faster variant. */
  readonly hasVariant: boolean;
  /** Hidden states between segments, which all threads share; absent where the model has no segments. */
  readonly stateBytes?: number | undefined;
}

/**
 * What models may still take that are loaded when they are first asked for: in each thread the file beside its faster variant and, as much again, its segments; once the
 * hidden states.
 */
export function lateBytes(models: readonly LateModel[], sessions: number): number {
  return models.reduce((sum, { fileBytes, hasVariant, stateBytes }) => {
    const files = (hasVariant ? 1 : 0) + (stateBytes === undefined ? 0 : 1);
    return sum + files * fileBytes * SESSION_PER_FILE * sessions + (stateBytes ?? 0);
  }, 0);
}
