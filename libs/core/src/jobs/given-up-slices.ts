import { z } from 'zod';
import type { BlobStore } from '../ports/index.js';
import type { IngestJobRecord } from './ingest-job-record.js';

const FOLDER = 'given-up';

const givenUpSliceSchema = z.object({
  tenant: z.string(),
  corpus: z.string(),
  corpus_id: z.string(),
  seq: z.number(),
  document_ids: z.array(z.string()),
  is_deadly: z.boolean(),
});

/** A slice that was given up: those of its documents that the record has with its `seq` may not be in every index. */
export interface GivenUpSlice extends Readonly<z.infer<typeof givenUpSliceSchema>> {
  /** A worker may have died of a text of it: no other may try to embed them. */
  readonly is_deadly: boolean;
}

/** What a sweep has to settle, as blobs: whoever gives a slice up, worker or API, needs no other store. */
export class GivenUpSlices {
  readonly #blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  async note(record: IngestJobRecord, slice: number, noted: Pick<GivenUpSlice, 'document_ids' | 'is_deadly'>): Promise<void> {
    const { tenant, corpus, corpus_id, id } = record;
    const seq = record.slices[slice]?.seq;
    if (seq !== undefined) await this.replace(`${FOLDER}/${tenant}/${id}-${slice}.json`, { tenant, corpus, corpus_id, seq, ...noted });
  }

  async replace(key: string, slice: GivenUpSlice): Promise<void> {
    await this.#blobs.put(key, JSON.stringify(slice));
  }

  async settled(key: string): Promise<void> {
    await this.#blobs.delete(key);
  }

  /** One that cannot be read is passed over. */
  async *list(
    onUnreadable: (key: string, error: unknown) => void = () => undefined,
  ): AsyncGenerator<{ readonly key: string; readonly slice: GivenUpSlice }, void, undefined> {
    for await (const key of this.#blobs.list(FOLDER)) {
      const slice = await this.#read(key).catch((error: unknown) => {
        onUnreadable(key, error);
        return undefined;
      });
      if (slice !== undefined) yield { key, slice };
    }
  }

  async #read(key: string): Promise<GivenUpSlice | undefined> {
    const text = await this.#blobs.get(key);
    return text === undefined ? undefined : givenUpSliceSchema.parse(JSON.parse(text.toString('utf8')));
  }
}
