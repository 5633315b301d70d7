import { z } from 'zod';
import { BATCH_ENDPOINTS, jobMetadataSchema, openAiBatchErrorSchema } from '../../contracts/index.js';
import { InvariantError } from '../../errors/index.js';
import type { BlobStore } from '../../ports/index.js';
import { cancelKey } from '../batch/batch-layout.js';
import { isJobId, newJobId } from '../job-id.js';
import {
  batchesFolder,
  batchKey,
  deletedKey,
  endedKey,
  idOfKey,
  outputsFolder,
  sizeKey,
  UNCHECKED,
  uncheckedKey,
  type OutputKind,
} from './file-layout.js';

/** What a client asked for. Its id is that of the job that it becomes when its input file was checked. */
export const openAiBatchRecordSchema = z.object({
  v: z.literal(1),
  id: z.string(),
  tenant: z.string(),
  input_file_id: z.string(),
  endpoint: z.enum(BATCH_ENDPOINTS),
  completion_window: z.string(),
  metadata: jobMetadataSchema.optional(),
  created_ms: z.number(),
  expires_ms: z.number(),
});
export type OpenAiBatchRecord = z.infer<typeof openAiBatchRecordSchema>;

/** How a batch ended that never became a job. */
export const openAiBatchEndSchema = z.object({
  status: z.enum(['failed', 'cancelled']),
  ended_ms: z.number(),
  errors: z.array(openAiBatchErrorSchema).optional(),
});
export type OpenAiBatchEnd = z.infer<typeof openAiBatchEndSchema>;

const holdSchema = z.object({ owner: z.string(), touched_ms: z.number() });
/** Who checks the input of a batch. */
export type BatchHold = z.infer<typeof holdSchema>;

export type BatchName = Pick<OpenAiBatchRecord, 'tenant' | 'id'>;

/** Batches of the OpenAI dialect, besides what they have as jobs. */
export class OpenAiBatches {
  readonly #blobs: BlobStore;

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
  }

  /** For a batch that is created now. */
  newId(epochMs: number): string {
    return newJobId(epochMs);
  }

  /** The hold is there first: a batch without one, a job or an end is one whose job was removed. */
  async create(batch: OpenAiBatchRecord, hold: BatchHold): Promise<void> {
    await this.hold(batch, hold);
    await this.#blobs.put(batchKey(batch.tenant, batch.id), JSON.stringify(batch));
  }

  /** Undefined where the tenant has no batch of this id. */
  async find(tenant: string, id: string): Promise<OpenAiBatchRecord | undefined> {
    return isJobId(id) ? parseJson(openAiBatchRecordSchema, await this.#blobs.get(batchKey(tenant, id))) : undefined;
  }

  /** Ids of a tenant's batches, newest first; `after` is the id where an earlier listing ended. */
  async *list(tenant: string, after?: string): AsyncGenerator<string, void, undefined> {
    const options = after === undefined ? {} : { after: batchKey(tenant, after) };
    for await (const key of this.#blobs.list(batchesFolder(tenant), options)) yield idOfKey(key);
  }

  async hold({ tenant, id }: BatchName, hold: BatchHold): Promise<void> {
    await this.#blobs.put(uncheckedKey(tenant, id), JSON.stringify(hold));
  }

  async holder({ tenant, id }: BatchName): Promise<BatchHold | undefined> {
    return parseJson(holdSchema, await this.#blobs.get(uncheckedKey(tenant, id)));
  }

  /** Its input was checked, whatever came of it. */
  async letGo({ tenant, id }: BatchName): Promise<void> {
    await this.#blobs.delete(uncheckedKey(tenant, id));
  }

  /** Batches whose input is still to be checked. */
  async *unchecked(): AsyncGenerator<BatchName, void, undefined> {
    for await (const key of this.#blobs.list(UNCHECKED)) {
      const [, , tenant = '', id = ''] = key.split('/');
      if (isJobId(id)) yield { tenant, id };
    }
  }

  /** Writes how the batch ended, once; the first to do so is right. Returns what is true from now on. */
  async end(name: BatchName, end: OpenAiBatchEnd): Promise<OpenAiBatchEnd> {
    const isFirst = await this.#blobs.create(endedKey(name.tenant, name.id), JSON.stringify(end));
    const kept = isFirst ? end : await this.ended(name);
    if (kept === undefined) throw new InvariantError('How a batch ended is there and cannot be read.');
    return kept;
  }

  async ended({ tenant, id }: BatchName): Promise<OpenAiBatchEnd | undefined> {
    return parseJson(openAiBatchEndSchema, await this.#blobs.get(endedKey(tenant, id)));
  }

  /** Epoch milliseconds at which somebody cancelled it. */
  async cancelledMs({ tenant, id }: BatchName): Promise<number | undefined> {
    return parseJson(z.object({ cancelled_ms: z.number() }), await this.#blobs.get(cancelKey(tenant, id)))?.cancelled_ms;
  }

  /** Bytes of an output, once they were counted. */
  async outputBytes({ tenant, id }: BatchName, kind: OutputKind): Promise<number | undefined> {
    return parseJson(z.object({ bytes: z.int() }), await this.#blobs.get(sizeKey(tenant, id, kind)))?.bytes;
  }

  async noteOutputBytes({ tenant, id }: BatchName, kind: OutputKind, bytes: number): Promise<void> {
    await this.#blobs.put(sizeKey(tenant, id, kind), JSON.stringify({ bytes }));
  }

  /** An output is made of its job's results, which stay as long as the job does; it is only not shown any more. */
  async deleteOutput({ tenant, id }: BatchName, kind: OutputKind): Promise<void> {
    await this.#blobs.put(deletedKey(tenant, id, kind), '');
  }

  async isOutputDeleted({ tenant, id }: BatchName, kind: OutputKind): Promise<boolean> {
    return (await this.#blobs.size(deletedKey(tenant, id, kind))) !== undefined;
  }

  /** Its entry goes last: by it a removal that was cut off is found. */
  async remove({ tenant, id }: BatchName): Promise<void> {
    await this.letGo({ tenant, id });
    await this.#blobs.delete(endedKey(tenant, id));
    await this.#blobs.delete(cancelKey(tenant, id));
    await this.#blobs.deleteUnder(outputsFolder(tenant, id));
    await this.#blobs.delete(batchKey(tenant, id));
  }
}

function parseJson<Schema extends z.ZodType>(schema: Schema, text: Buffer | undefined): z.output<Schema> | undefined {
  return text === undefined ? undefined : schema.parse(JSON.parse(text.toString('utf8')));
}
