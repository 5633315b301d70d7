import { AdmissionError } from './admission-error.js';

/** Answers come by the second where bodies are what is scarce. */
const RETRY_MS = 1_000;

/** Bytes of one body, as far as they have come. */
export interface BodyInHand {
  /**
   * So much of the body has come.
   *
   * @param expected bytes of all of it, as its sender says: what cannot fit is refused at once, but nothing is kept free for it
   * @throws RerankError `overloaded`
   */
  grow(bytes: number, expected?: number): void;
  /** It is gone. Again changes nothing. */
  drop(): void;
}

/** Bounds what the JSON bodies of all calls take in this process: it refuses rather than dies. */
export class BodiesInHand {
  readonly #limit: number;
  readonly #onChange: (bytes: number) => void;
  #total = 0;

  constructor(limitBytes: number, onChange: (bytes: number) => void = () => undefined) {
    this.#limit = limitBytes;
    this.#onChange = onChange;
    onChange(0);
  }

  get bytes(): number {
    return this.#total;
  }

  take(): BodyInHand {
    let own = 0;
    let isGone = false;
    return {
      grow: (bytes, expected = 0) => {
        if (isGone || bytes <= own) return;
        const others = this.#total - own;
        // One alone always fits: its own bound is another.
        if (others > 0 && others + Math.max(bytes, expected) > this.#limit)
          throw AdmissionError.later(
            'bodies_in_hand',
            'This process holds as many bodies as it has room for. Try again, or send several smaller calls.',
            RETRY_MS,
          );
        this.#set(others + bytes);
        own = bytes;
      },
      drop: () => {
        if (isGone) return;
        isGone = true;
        this.#set(this.#total - own);
      },
    };
  }

  #set(total: number): void {
    this.#total = total;
    this.#onChange(total);
  }
}
