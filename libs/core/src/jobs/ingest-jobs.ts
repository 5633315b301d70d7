import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { ingestOutcomeSchema, type IngestOutcome, type IngestJobBody } from '../contracts/index.js';
import type { StoredDocument } from '../domain/index.js';
import type { RerankError } from '../errors/index.js';
import type { BlobStore } from '../ports/index.js';
import { INGEST_INDEX, ingestIndexKey, jobOfIndexKey } from './batch/batch-layout.js';
import { describeIngestJob, type FinishedSlice } from './describe-ingest-job.js';
import { GivenUpSlices } from './given-up-slices.js';
import { ingestJobRecordSchema, type IngestJobRecord } from './ingest-job-record.js';
import { doneKey, endingFolder, jobFolder, jobKey, resultFolder, resultKey, sliceKey } from './ingest-layout.js';
import { IngestUpload, type IngestRow } from './ingest-upload.js';
import { isJobId, timeOfJobId } from './job-id.js';

/** A task's share of a job: documents with the write's sequence number. */
export interface IngestSlice {
  readonly rows: readonly { readonly line: number; readonly document: StoredDocument }[];
}

/** Attempts at a slice after the first: the queue waits a minute at most between two, so an outage of most of an hour is outlived. */
export const SLICE_RETRIES = 60;

export const sliceTaskId = (jobId: string, slice: number): string => `${jobId}-${slice}`;

/**
 * Ingest jobs as blobs. A job exists when `job.json` does; its state is what its result blobs say, so that losing Redis loses nothing
 * and repeating a slice changes nothing.
 */
export class IngestJobs {
  readonly #blobs: BlobStore;
  readonly #now: () => number;
  readonly givenUp: GivenUpSlices;

  /** @param now epoch milliseconds */
  constructor(blobs: BlobStore, now: () => number = Date.now) {
    this.#blobs = blobs;
    this.#now = now;
    this.givenUp = new GivenUpSlices(blobs);
  }

  /** Starts an upload; nothing of it can be seen before `commit`. */
  begin(corpus: { readonly tenant: string; readonly corpus: string; readonly corpusId: string }): IngestUpload {
    return new IngestUpload(this.#blobs, corpus);
  }

  async record(tenant: string, id: string): Promise<IngestJobRecord | undefined> {
    if (!isJobId(id)) return undefined;
    return parseJson(ingestJobRecordSchema, await this.#blobs.get(jobKey(tenant, id)));
  }

  /** The job as clients see it; undefined where the tenant has none of this id. */
  async find(tenant: string, id: string): Promise<IngestJobBody | undefined> {
    const record = await this.record(tenant, id);
    if (record === undefined) return undefined;
    const done = await this.#done(record);
    if (done !== undefined) return describeIngestJob(record, done.outcomes, { completedMs: done.completed_ms });
    const outcomes = await this.#outcomes(record);
    // It may have ended meanwhile, and its outcomes been cleared away.
    const ended = await this.#done(record);
    if (ended !== undefined) return describeIngestJob(record, ended.outcomes, { completedMs: ended.completed_ms });
    return describeIngestJob(record, outcomes, { nowMs: this.#now() });
  }

  /** Ids of a tenant's jobs, newest first; `after` is the id where an earlier listing ended. One may be gone already. */
  async *list(tenant: string, after?: string): AsyncGenerator<string, void, undefined> {
    const options = after === undefined ? {} : { after: ingestIndexKey(tenant, after) };
    for await (const key of this.#blobs.list(`${INGEST_INDEX}/${tenant}`, options)) yield jobOfIndexKey(key);
  }

  /** Forgets a job that is done. False, changing nothing, if it is not. */
  async remove(tenant: string, id: string): Promise<boolean> {
    const record = await this.record(tenant, id);
    if (record !== undefined && (await this.#done(record)) === undefined) return false;
    // First what makes it a job, or what is left would look like one that is not done.
    await this.#blobs.delete(jobKey(tenant, id));
    await this.#blobs.deleteUnder(jobFolder(tenant, id));
    await this.#blobs.delete(ingestIndexKey(tenant, id));
    return true;
  }

  /** Undefined if the job or the slice is gone. */
  async slice(record: IngestJobRecord, slice: number): Promise<IngestSlice | undefined> {
    const text = await this.#blobs.get(sliceKey(record.tenant, record.id, slice));
    const seq = record.slices[slice]?.seq;
    if (text === undefined || seq === undefined) return undefined;
    const lines = text
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '');
    return { rows: lines.map((line) => withSeq(JSON.parse(line) as IngestRow, seq)) };
  }

  async hasOutcome(record: IngestJobRecord, slice: number): Promise<boolean> {
    return (await this.#blobs.get(resultKey(record.tenant, record.id, slice))) !== undefined;
  }

  /** Repeating it with the same outcome changes nothing. The last slice closes the job and frees all but what the job says of itself. */
  async finishSlice(record: IngestJobRecord, slice: number, outcome: IngestOutcome): Promise<void> {
    const finished: FinishedSlice = { ...outcome, finished_ms: this.#now() };
    await this.#blobs.put(resultKey(record.tenant, record.id, slice), JSON.stringify(finished));
    await this.close(record);
  }

  /**
   * Ends a slice that nobody will do: each of its documents errs with what is said, and its job ends. One that is done stays as it is.
   *
   * Some documents may be in the record by now and not in the index: that is noted first, for a sweep of the workers.
   */
  async giveUpSlice(tenant: string, id: string, slice: number, { code, detail }: RerankError): Promise<void> {
    const record = await this.record(tenant, id);
    const content = record === undefined ? undefined : await this.slice(record, slice);
    if (record === undefined || content === undefined || (await this.hasOutcome(record, slice))) return;
    await this.givenUp.note(record, slice, {
      document_ids: [...new Set(content.rows.map(({ document }) => document.id))],
      // Workers may have died of its texts.
      is_deadly: code === 'internal_error',
    });
    const errors = content.rows.map(({ line, document }) => ({ line, document_id: document.id, code, detail }));
    await this.finishSlice(record, slice, { kind: 'ingest', succeeded: 0, errors });
  }

  /** Takes back the outcome of a slice, so that it can be done again. False, changing nothing, if the job has ended or is about to. */
  async reopenSlice(record: IngestJobRecord, slice: number): Promise<boolean> {
    const key = resultKey(record.tenant, record.id, slice);
    const outcome = await this.#blobs.get(key);
    if ((await this.#done(record)) !== undefined) return false;
    if (outcome === undefined) return true;
    await this.#blobs.delete(key);
    // Who ends a job says so first and counts then: either this sees that, or the count finds the outcome gone.
    if (!(await this.#isEnding(record))) return (await this.#done(record)) === undefined;
    await this.#blobs.put(key, outcome);
    await this.close(record);
    if ((await this.#done(record)) !== undefined) await this.#blobs.delete(key);
    return false;
  }

  /** Ends a job whose slices all have their outcome, which whoever wrote the last one may not have come to: it died. Changes nothing of any other. */
  async close(record: IngestJobRecord): Promise<void> {
    // Counted before they are read: each of n slices reading all outcomes would be n² reads.
    if ((await this.#countOutcomes(record)) < record.slices.length) return;
    const mark = `${endingFolder(record.tenant, record.id)}/${randomUUID()}`;
    await this.#blobs.put(mark, '');
    const outcomes = await this.#outcomes(record);
    // Another that ended at the same moment has closed the job and clears it away; or a slice was reopened.
    if (outcomes.length < record.slices.length) {
      await this.#blobs.delete(mark);
      return;
    }
    await this.#blobs.put(doneKey(record.tenant, record.id), JSON.stringify({ completed_ms: this.#now(), outcomes }));
    await this.#blobs.deleteUnder(`${jobFolder(record.tenant, record.id)}/slices`);
    await this.#blobs.deleteUnder(resultFolder(record.tenant, record.id));
    await this.#blobs.deleteUnder(endingFolder(record.tenant, record.id));
  }

  /**
   * Slices without an outcome of every job that is not done: what a sweep queues again. A job that lacks nothing but its end is closed. Of jobs that are
   * done nothing is read, as they only grow in number. One that cannot be read is told and keeps none of the others.
   */
  async *unfinished(
    onUnreadable: (key: string, error: unknown) => void = () => undefined,
  ): AsyncIterable<{ readonly record: IngestJobRecord; readonly slice: number }> {
    let done: string | undefined;
    for await (const key of this.#blobs.list('ingests')) {
      const [, tenant, id, file] = key.split('/');
      // Keys ascend, so it comes before `job.json`.
      if (file === 'done.json') done = id;
      if (tenant === undefined || id === undefined || file !== 'job.json' || id === done) continue;
      const record = await this.record(tenant, id).catch((error: unknown) => {
        onUnreadable(key, error);
        return undefined;
      });
      if (record === undefined) continue;
      let isWhole = true;
      for (let slice = 0; slice < record.slices.length; slice += 1) {
        if (await this.hasOutcome(record, slice)) continue;
        isWhole = false;
        yield { record, slice };
      }
      if (isWhole) await this.close(record);
    }
  }

  /**
   * Removes what was begun before `epochMs` and will not be asked for again: jobs that are done, and uploads that never became a job, as their API died.
   * A job that is not done stays, however old it is.
   */
  async purge(epochMs: number): Promise<void> {
    const old = new Map<string, { done: boolean; accepted: boolean }>();
    for await (const key of this.#blobs.list('ingests')) {
      const [, tenant, id, file] = key.split('/');
      if (tenant === undefined || id === undefined || !isJobId(id) || timeOfJobId(id) >= epochMs) continue;
      const state = old.get(jobFolder(tenant, id)) ?? { done: false, accepted: false };
      old.set(jobFolder(tenant, id), { done: state.done || file === 'done.json', accepted: state.accepted || file === 'job.json' });
    }
    for (const [folder, { done, accepted }] of old) if (done || !accepted) await this.#blobs.deleteUnder(folder);
    for await (const key of this.#blobs.list(INGEST_INDEX)) {
      const [, tenant = ''] = key.split('/');
      const id = jobOfIndexKey(key);
      if (timeOfJobId(id) < epochMs && (await this.#blobs.size(jobKey(tenant, id))) === undefined) await this.#blobs.delete(key);
    }
  }

  async #done({ tenant, id }: IngestJobRecord): Promise<z.infer<typeof doneSchema> | undefined> {
    return parseJson(doneSchema, await this.#blobs.get(doneKey(tenant, id)));
  }

  async #isEnding({ tenant, id }: IngestJobRecord): Promise<boolean> {
    for await (const _ of this.#blobs.list(endingFolder(tenant, id))) return true;
    return false;
  }

  async #countOutcomes(record: IngestJobRecord): Promise<number> {
    let count = 0;
    for await (const _ of this.#blobs.list(resultFolder(record.tenant, record.id))) count += 1;
    return count;
  }

  async #outcomes(record: IngestJobRecord): Promise<readonly FinishedSlice[]> {
    const outcomes: FinishedSlice[] = [];
    for await (const key of this.#blobs.list(resultFolder(record.tenant, record.id))) {
      const outcome = parseJson(finishedSliceSchema, await this.#blobs.get(key));
      if (outcome !== undefined) outcomes.push(outcome);
    }
    return outcomes;
  }
}

const finishedSliceSchema: z.ZodType<FinishedSlice> = ingestOutcomeSchema.extend({ finished_ms: z.number().optional() });

const doneSchema = z.object({ completed_ms: z.number(), outcomes: z.array(finishedSliceSchema) });

function parseJson<Schema extends z.ZodType>(schema: Schema, text: Buffer | undefined): z.output<Schema> | undefined {
  return text === undefined ? undefined : schema.parse(JSON.parse(text.toString('utf8')));
}

function withSeq(row: IngestRow, seq: number): { line: number; document: StoredDocument } {
  return { line: row.line, document: { ...row.document, seq } };
}
