import { pipeline, Transform, type Readable } from 'node:stream';
import type { GrowingUpload, JobPlace } from '../admission/job-place.js';

/** A file on its way, as its tenant's room sees it. */
export class CountedUpload implements GrowingUpload {
  readonly id: string;
  readonly total = 1;
  #bytes = 0;

  constructor(id: string) {
    this.id = id;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The same bytes; the stream fails with the chunk that has no room. */
  through(content: Readable, place: Pick<JobPlace, 'grow'>): Readable {
    const count = (chunk: Buffer): Promise<void> | undefined => {
      this.#bytes += chunk.length;
      return place.grow();
    };
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        const growing = count(chunk);
        if (growing === undefined) done(null, chunk);
        else
          growing.then(
            () => done(null, chunk),
            (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
          );
      },
    });
    return pipeline(content, counted, () => undefined);
  }
}
