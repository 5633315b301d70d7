import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileBlobStore } from '../adapters/blobs/file-blob-store.js';
import type { BlobBody } from '../ports/index.js';
import { IngestJobs } from './ingest-jobs.js';

/** Waits before it writes an object, until it is told to go on. */
class SlowEnd extends FileBlobStore {
  readonly #file: string;
  readonly #reached = Promise.withResolvers<undefined>();
  readonly #going = Promise.withResolvers<undefined>();
  readonly reached = this.#reached.promise;
  readonly goOn = (): void => this.#going.resolve(undefined);

  constructor(directory: string, file = 'done.json') {
    super(directory);
    this.#file = file;
  }

  override async put(key: string, body: BlobBody): Promise<void> {
    if (key.includes(this.#file)) {
      this.#reached.resolve(undefined);
      await this.#going.promise;
    }
    await super.put(key, body);
  }
}

let directory: string;
let jobs: IngestJobs;

const upload = () => jobs.begin({ tenant: 'default', corpus: 'manuals', corpusId: 'c1' });
const row = (line: number, text: string, metadata?: Record<string, string>) => ({
  line,
  document: { id: `d${line}`, text, ...(metadata === undefined ? {} : { metadata }) },
});
const numbers = (count: number): Promise<number> => Promise.resolve(count * 10);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rerank-jobs-'));
  jobs = new IngestJobs(new FileBlobStore(directory));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('IngestUpload', () => {
  it('ends a slice by all that its rows hold, metadata too', async () => {
    const parts = upload();
    for (let line = 1; line <= 3; line += 1) await parts.add(row(line, 'short', { long: 'x'.repeat(3_000_000) }));
    const record = await parts.commit(numbers);
    expect(record.slices.map(({ documents }) => documents)).toEqual([1, 1, 1]);
    expect((await jobs.slice(record, 1))?.rows.map(({ line }) => line)).toEqual([2]);
  });

  it('ends a slice after 256 documents', async () => {
    const parts = upload();
    for (let line = 1; line <= 300; line += 1) await parts.add(row(line, 'short'));
    expect((await parts.commit(numbers)).slices.map(({ documents }) => documents)).toEqual([256, 44]);
  });
});

describe('IngestJobs', () => {
  it('is done with the last slice, in any order', async () => {
    const parts = upload();
    for (let line = 1; line <= 600; line += 1) await parts.add(row(line, 'short'));
    const record = await parts.commit(numbers);
    for (const slice of [2, 0])
      await jobs.finishSlice(record, slice, { kind: 'ingest', succeeded: record.slices[slice]!.documents, errors: [] });
    expect(await jobs.find('default', record.id)).toMatchObject({
      status: 'in_progress',
      request_counts: { processing: 256, succeeded: 344 },
    });
    await jobs.finishSlice(record, 1, { kind: 'ingest', succeeded: 256, errors: [] });
    expect(await jobs.find('default', record.id)).toMatchObject({ status: 'completed', request_counts: { processing: 0, succeeded: 600 } });
    expect(await jobs.slice(record, 0)).toBeUndefined();
  });

  it('keeps of a job that is done only what it says of itself', async () => {
    const parts = upload();
    await parts.add(row(1, 'short'));
    const record = await parts.commit(numbers);
    await jobs.finishSlice(record, 0, { kind: 'ingest', succeeded: 1, errors: [] });
    const kept: string[] = [];
    for await (const key of new FileBlobStore(directory).list('ingests')) kept.push(key.slice(key.lastIndexOf('/') + 1));
    expect(kept).toEqual(['done.json', 'job.json']);
  });

  it('forgets old jobs that are done and uploads that were cut off, and keeps what is not done', async () => {
    const begin = async (): Promise<string> => {
      const parts = upload();
      await parts.add(row(1, 'text', { long: 'x'.repeat(5_000_000) }));
      return parts.id;
    };
    const cutOff = await begin();
    const open = upload();
    await open.add(row(1, 'text'));
    const unfinished = await open.commit(numbers);
    const closed = upload();
    await closed.add(row(1, 'text'));
    const done = await closed.commit(numbers);
    await jobs.finishSlice(done, 0, { kind: 'ingest', succeeded: 1, errors: [] });
    const folders = async (): Promise<string[]> => (await readdir(join(directory, 'ingests', 'default'))).sort();

    await jobs.purge(Date.now() - 60_000);
    expect(await folders()).toEqual([cutOff, unfinished.id, done.id].sort());
    await jobs.purge(Date.now() + 60_000);
    expect(await folders()).toEqual([unfinished.id]);
    expect(await jobs.find('default', done.id)).toBeUndefined();
  });

  it('names the slices without an outcome of jobs that are not done, whatever became of others', async () => {
    const store = new FileBlobStore(directory);
    const commit = async (count: number) => {
      const parts = upload();
      for (let line = 1; line <= count; line += 1) await parts.add(row(line, 'short'));
      return await parts.commit(numbers);
    };
    const [done, half] = [await commit(1), await commit(300)];
    const outcome = { kind: 'ingest', succeeded: 1, errors: [] } as const;
    await jobs.finishSlice(done, 0, { ...outcome, errors: [] });
    await jobs.finishSlice(half, 0, { ...outcome, errors: [] });
    await store.put(`ingests/default/job_${'0'.repeat(32)}/job.json`, '{"cut');
    const unreadable: string[] = [];
    const found: string[] = [];
    for await (const { record, slice } of jobs.unfinished((key) => unreadable.push(key))) found.push(`${record.id} ${slice}`);
    expect(found).toEqual([`${half.id} 1`]);
    expect(unreadable).toEqual([`ingests/default/job_${'0'.repeat(32)}/job.json`]);
  });

  it('is closed by the sweep, and can be removed then, where who wrote the last outcome died before the end of the job', async () => {
    const parts = upload();
    await parts.add(row(1, 'short'));
    const record = await parts.commit(numbers);
    const blobs = new FileBlobStore(directory);
    await blobs.put(`ingests/default/${record.id}/results/0.json`, JSON.stringify({ kind: 'ingest', succeeded: 1, errors: [] }));
    expect(await jobs.remove('default', record.id)).toBe(false);
    for await (const { slice } of jobs.unfinished()) expect.unreachable(`slice ${slice} has its outcome`);
    expect(await jobs.find('default', record.id)).toMatchObject({ status: 'completed', request_counts: { succeeded: 1 } });
    expect(await jobs.remove('default', record.id)).toBe(true);
    expect(await readdir(directory, { recursive: true, withFileTypes: true }).then((all) => all.filter((each) => each.isFile()))).toEqual(
      [],
    );
  });

  it('reopens a slice while another goes on, and none of a job that is about to end', async () => {
    const parts = upload();
    for (let line = 1; line <= 300; line += 1) await parts.add(row(line, 'short'));
    const record = await parts.commit(numbers);
    const gaveUp = { kind: 'ingest', succeeded: 0, errors: [] } as const;
    await jobs.finishSlice(record, 0, { ...gaveUp, errors: [] });
    expect(await jobs.reopenSlice(record, 0)).toBe(true);
    expect(await jobs.reopenSlice(record, 0)).toBe(true);
    await jobs.finishSlice(record, 0, { ...gaveUp, errors: [] });

    // Who writes the last outcome has read them all, and is slow to write the end of the job.
    const slow = new SlowEnd(directory);
    const ending = new IngestJobs(slow).finishSlice(record, 1, { kind: 'ingest', succeeded: 44, errors: [] });
    await slow.reached;
    expect(await jobs.reopenSlice(record, 0)).toBe(false);
    slow.goOn();
    await ending;
    expect(await jobs.find('default', record.id)).toMatchObject({ status: 'completed', request_counts: { succeeded: 44 } });
    expect(await jobs.reopenSlice(record, 0)).toBe(false);
    const kept: string[] = [];
    for await (const key of new FileBlobStore(directory).list('ingests')) kept.push(key.slice(key.lastIndexOf('/') + 1));
    expect(kept).toEqual(['done.json', 'job.json']);
  });

  it('goes on with a job whose slice was reopened as it was about to be counted', async () => {
    const parts = upload();
    for (let line = 1; line <= 300; line += 1) await parts.add(row(line, 'short'));
    const record = await parts.commit(numbers);
    await jobs.finishSlice(record, 0, { kind: 'ingest', succeeded: 0, errors: [] });
    const slow = new SlowEnd(directory, 'ending/');
    const ending = new IngestJobs(slow).finishSlice(record, 1, { kind: 'ingest', succeeded: 44, errors: [] });
    await slow.reached;
    expect(await jobs.reopenSlice(record, 0)).toBe(true);
    slow.goOn();
    await ending;
    expect(await jobs.find('default', record.id)).toMatchObject({ status: 'in_progress', request_counts: { processing: 256 } });
    await jobs.finishSlice(record, 0, { kind: 'ingest', succeeded: 256, errors: [] });
    expect(await jobs.find('default', record.id)).toMatchObject({ status: 'completed', request_counts: { succeeded: 300 } });
  });

  it('lists jobs newest first, as long as they are kept', async () => {
    const made: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const parts = upload();
      await parts.add(row(1, 'short'));
      made.unshift((await parts.commit(numbers)).id);
    }
    const ids = async (after?: string): Promise<string[]> => {
      const found: string[] = [];
      for await (const id of jobs.list('default', after)) found.push(id);
      return found;
    };
    expect(await ids()).toEqual(made.toSorted().toReversed());
    expect(await ids((await ids())[0])).toHaveLength(2);
    const record = (await jobs.record('default', made[0]!))!;
    expect(await jobs.remove('default', record.id)).toBe(false);
    await jobs.finishSlice(record, 0, { kind: 'ingest', succeeded: 1, errors: [] });
    await jobs.purge(Date.now() + 1_000);
    expect(await ids()).not.toContain(record.id);
    expect(await ids()).toHaveLength(2);
  });
});
