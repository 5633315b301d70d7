import { Readable } from 'node:stream';
import type { BlobBody } from '../../ports/index.js';

/** A body on its way into a store, which tells a fault of its own from one of the store. */
export class BodySource {
  readonly #body: BlobBody;
  #fault: { readonly error: unknown } | undefined;

  constructor(body: BlobBody) {
    this.#body = body;
    // A stream may fail while the store still prepares; reading it tells that again.
    if (body instanceof Readable) body.on('error', () => undefined);
  }

  /** The bytes if they are all here; undefined for a stream. */
  get bytes(): Buffer | undefined {
    const body = this.#body;
    if (typeof body === 'string') return Buffer.from(body);
    return body instanceof Readable ? undefined : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  }

  /** Pulled as it is read. */
  async *chunks(): AsyncGenerator<Uint8Array | string> {
    if (!(this.#body instanceof Readable)) {
      yield this.#body;
      return;
    }
    const chunks = this.#body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array | string, undefined>;
    for (;;) {
      // Only what is thrown here is of the body: a store that gives up throws into the generator, at the yield.
      const next = await chunks.next().catch((error: unknown) => {
        this.#fault = { error };
        throw error;
      });
      if (next.done === true) return;
      yield next.value;
    }
  }

  /** What a call that failed with `error` rejects with: the body's own fault if there was one. */
  faultOr(error: unknown, describe: (error: unknown) => unknown): unknown {
    return this.#fault === undefined ? describe(error) : this.#fault.error;
  }

  /** Ends a stream that is not read to its end. */
  end(): void {
    if (this.#body instanceof Readable && !this.#body.readableEnded) this.#body.destroy();
  }
}
