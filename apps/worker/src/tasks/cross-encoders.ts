import { RerankError } from '@rerank-fleet/core/errors';
import type { CrossEncoder } from '@rerank-fleet/core/ports';

/** The cross-encoders of this worker by revision. */
export class CrossEncoders {
  readonly #encoders: readonly CrossEncoder[];

  constructor(encoders: readonly CrossEncoder[]) {
    this.#encoders = encoders;
  }

  /**
   * By its file; where a worker has that under several names, as with and without its precision, the one that was asked for.
   *
   * @throws RerankError `model_unavailable` if the request was admitted for a revision that this worker does not hold
   */
  get(pin: { readonly name: string; readonly sha256: string }): CrossEncoder {
    const held = this.#encoders.filter(({ sha256 }) => sha256 === pin.sha256);
    const encoder = held.find(({ name }) => name === pin.name) ?? held[0];
    if (encoder !== undefined) return encoder;
    throw new RerankError(
      'model_unavailable',
      `This worker does not hold the revision of ${pin.name} that the request was admitted for; try again.`,
      { retryAfterS: 2 },
    );
  }
}
