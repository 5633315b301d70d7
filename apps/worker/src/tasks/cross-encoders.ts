import { RerankError } from '@rerank-fleet/core/errors';
import type { CrossEncoder } from '@rerank-fleet/core/ports';

/** The cross-encoders of this worker by revision. */
export class CrossEncoders {
  readonly #bySha256: ReadonlyMap<string, CrossEncoder>;

  constructor(encoders: readonly CrossEncoder[]) {
    this.#bySha256 = new Map(encoders.map((encoder) => [encoder.sha256, encoder]));
  }

  /** @throws RerankError `model_unavailable` if the request was admitted for a revision that this worker does not hold */
  get(pin: { readonly name: string; readonly sha256: string }): CrossEncoder {
    const encoder = this.#bySha256.get(pin.sha256);
    if (encoder !== undefined) return encoder;
    throw new RerankError(
      'model_unavailable',
      `This worker does not hold the revision of ${pin.name} that the request was admitted for; try again.`,
      { retryAfterS: 2 },
    );
  }
}
