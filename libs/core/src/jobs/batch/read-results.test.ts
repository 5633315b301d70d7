import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileBlobStore } from '../../adapters/blobs/file-blob-store.js';
import { jobResultLineSchema, type JobResultLine, type RowStatus, type StoredResultLine } from '../../contracts/index.js';
import { BatchJobs } from './batch-jobs.js';
import { ledgerJobOf } from './batch-keeper.js';
import type { LedgerState } from './batch-ledger.js';
import type { BatchDone, BatchRecord } from './batch-record.js';
import { ResultReading, type ResultQuery } from './read-results.js';
import type { JobStanding } from './slice-lines.js';

let directory: string;
let jobs: BatchJobs;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'rerank-results-'));
  jobs = new BatchJobs(new FileBlobStore(directory));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** `true` is a good row, `false` a bad one; two good ones make a slice. */
async function submit(rows: readonly boolean[]): Promise<BatchRecord> {
  const upload = jobs.begin('default');
  for (const [position, isGood] of rows.entries()) {
    const row = position + 1;
    const customId = `r${row} "status":"errored" ü`;
    if (isGood) await upload.add({ row, json: JSON.stringify({ custom_id: customId, query: 'q' }), pairs: 512, tokens: 1 });
    else await upload.reject({ row, status: 'errored', error: { code: 'invalid_request', message: 'no' } });
  }
  const totals = await upload.finish();
  const record: BatchRecord = {
    v: 1,
    id: upload.id,
    tenant: 'default',
    dialect: 'native',
    pool: 'default',
    priority: 50,
    created_ms: 1,
    expires_ms: 2,
    ...totals,
  };
  await jobs.create(record);
  return record;
}

async function finishSlice(record: BatchRecord, slice: number, statusOf: (row: number) => RowStatus = () => 'succeeded'): Promise<void> {
  const lines = (await jobs.rows(record, slice)).map(({ row, request }): StoredResultLine => ({
    row,
    custom_id: String(request['custom_id']),
    status: statusOf(row),
  }));
  const count = (status: RowStatus): number => lines.filter((line) => line.status === status).length;
  const header = { succeeded: count('succeeded'), errored: count('errored'), cancelled: count('cancelled'), expired: count('expired') };
  await jobs.writeResults(record, { v: 1, slice, ...header, pairs: 1_024 }, lines);
}

function bitmap(record: BatchRecord, slices: Iterable<number>): Buffer {
  const bits = Buffer.alloc((record.slices >> 3) + 1);
  for (const slice of slices) bits[slice >> 3]! |= 0x80 >> (slice & 7);
  return bits;
}

const running = (record: BatchRecord, slices: Iterable<number>): JobStanding => {
  const none = { succeeded: 0, errored: 0, cancelled: 0, expired: 0, pairs: 0, inFlight: 0, slicesDone: 0 };
  return { state: { job: ledgerJobOf(record), ...none, version: 1, doneSlices: bitmap(record, slices) } satisfies LedgerState };
};
const ended = (record: BatchRecord, slices: Iterable<number>, rest?: BatchDone['rest']): JobStanding => ({
  done: {
    status: 'cancelled',
    request_counts: { total: record.total, processing: 0, succeeded: 0, errored: 0, cancelled: 0, expired: 0 },
    pairs_done: 0,
    ended_ms: 1,
    done_slices: bitmap(record, slices).toString('base64'),
    ...(rest === undefined ? {} : { rest }),
  },
});

async function take(reading: ResultReading, standing: JobStanding): Promise<JobResultLine[]> {
  let text = '';
  for await (const chunk of reading.read(standing)) text += chunk.toString('utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => jobResultLineSchema.parse(JSON.parse(line)));
}
const open = (record: BatchRecord, query: ResultQuery = {}): Promise<ResultReading> => ResultReading.open(jobs, record, query);
const read = async (record: BatchRecord, standing: JobStanding, query: ResultQuery = {}): Promise<JobResultLine[]> =>
  await take(await open(record, query), standing);
const rowsOf = (lines: readonly JobResultLine[]): number[] => lines.map(({ row }) => row);

describe('ResultReading', () => {
  it('gives rejected rows first, then slices that count, and no other', async () => {
    const record = await submit([true, false, true, true, true, true, true]);
    for (const slice of [0, 1, 2]) await finishSlice(record, slice);
    const lines = await read(record, running(record, [2, 0]));
    expect(rowsOf(lines)).toEqual([2, 1, 3, 6, 7]);
    expect(lines[1]).toMatchObject({ custom_id: 'r1 "status":"errored" ü', status: 'succeeded' });
  });

  it('gives each line once while slices end, in whatever order', async () => {
    const record = await submit([true, true, true, true, true, true]);
    const reading = await open(record);
    const given: number[][] = [];
    const done: number[] = [];
    for (const slice of [1, 2, 0]) {
      await finishSlice(record, slice);
      done.push(slice);
      given.push(rowsOf(await take(reading, running(record, done))));
      expect(reading.isComplete).toBe(slice === 0);
    }
    expect(given).toEqual([
      [3, 4],
      [5, 6],
      [1, 2],
    ]);
  });

  it('goes on exactly behind each line, whatever order slices ended in and will end in', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 16 }),
        fc.constantFrom('completion' as const, 'submission' as const),
        fc.infiniteStream(fc.nat()),
        async (rows, order, chance) => {
          const record = await submit(rows);
          const left = Array.from({ length: record.slices }, (_, slice) => slice);
          const shuffled: number[] = [];
          while (left.length > 0) shuffled.push(...left.splice(chance.next().value % left.length, 1));
          for (const slice of shuffled) await finishSlice(record, slice);
          // One reader sees the slices end one by one; then each of its cursors is gone on from, when others have ended.
          const reading = await open(record, { order });
          const first: JobResultLine[] = [];
          for (let ends = 0; ends <= shuffled.length; ends += 1) {
            first.push(...(await take(reading, running(record, shuffled.slice(0, ends)))));
          }
          expect(reading.isComplete).toBe(true);
          const all = Array.from({ length: rows.length }, (_, position) => position + 1);
          expect(rowsOf(first).toSorted((a, b) => a - b)).toEqual(all);
          if (order === 'submission') expect(rowsOf(first)).toEqual(all);
          for (const [position, { cursor }] of first.entries()) {
            const seen = new Set(rowsOf(first.slice(0, position + 1)));
            const expected = all.filter((row) => !seen.has(row));
            const resumed = await open(record, { order, after: cursor });
            const soFar = await take(resumed, running(record, shuffled.slice(0, chance.next().value % (shuffled.length + 1))));
            const rest = await take(resumed, chance.next().value % 2 === 0 ? running(record, shuffled) : ended(record, shuffled));
            expect(rowsOf([...soFar, ...rest]).toSorted((a, b) => a - b)).toEqual(expected);
            expect(resumed.isComplete).toBe(true);
          }
        },
      ),
      { numRuns: 25 },
    );
  }, 60_000);

  it('waits in order of submission at the first slice that is not done', async () => {
    const record = await submit([true, false, true, true, false, true, false, false, true, true]);
    for (let slice = 0; slice < record.slices; slice += 1) await finishSlice(record, slice);
    const reading = await open(record, { order: 'submission' });
    expect(rowsOf(await take(reading, running(record, [0, 2])))).toEqual([1, 2, 3]);
    expect(rowsOf(await take(reading, running(record, [0, 1, 2])))).toEqual([4, 5, 6, 7, 8, 9, 10]);
    expect(reading.isComplete).toBe(true);
  });

  it('tells the rows that never ran when the job has ended, and nothing that did not count', async () => {
    const record = await submit([true, true, true, true]);
    await finishSlice(record, 0);
    await finishSlice(record, 1);
    for (const order of ['completion', 'submission'] as const) {
      const lines = await read(record, ended(record, [0], 'expired'), { order });
      expect(lines.map(({ row, status, custom_id: id }) => [row, status, id?.slice(0, 2)])).toEqual([
        [1, 'succeeded', 'r1'],
        [2, 'succeeded', 'r2'],
        [3, 'expired', 'r3'],
        [4, 'expired', 'r4'],
      ]);
      const [, second] = lines;
      expect(rowsOf(await read(record, ended(record, [0], 'expired'), { order, after: second!.cursor }))).toEqual([3, 4]);
    }
    const [, , third] = await read(record, ended(record, [0], 'errored'));
    expect(third).toMatchObject({ status: 'errored', error: { code: 'internal_error' } });
  });

  it('gives the lines of one status only, whose cursors go on among all', async () => {
    const record = await submit([true, true, false, true, true, true, true]);
    await finishSlice(record, 0);
    await finishSlice(record, 1, (row) => (row === 4 ? 'errored' : 'succeeded'));
    await finishSlice(record, 2);
    const standing = ended(record, [0, 1], 'cancelled');
    const errored = await read(record, standing, { status: 'errored' });
    expect(rowsOf(errored)).toEqual([3, 4]);
    expect(rowsOf(await read(record, standing, { after: errored[1]!.cursor }))).toEqual([5, 6, 7]);
    expect(rowsOf(await read(record, standing, { status: 'cancelled', order: 'submission' }))).toEqual([6, 7]);
    expect(rowsOf(await read(record, standing, { status: 'expired' }))).toEqual([]);
  });

  it('goes on in a slice that Redis has forgotten when it knows it again', async () => {
    const record = await submit([true, true, true, true]);
    await finishSlice(record, 0);
    await finishSlice(record, 1);
    const [first] = await read(record, running(record, [1]));
    const reading = await open(record, { after: first!.cursor });
    expect(await take(reading, {})).toEqual([]);
    expect(await take(reading, running(record, [0]))).toEqual([]);
    expect(rowsOf(await take(reading, running(record, [0, 1])))).toEqual([4, 1, 2]);
  });

  it('hands out large results in chunks', async () => {
    const record = await submit([true, true]);
    const text = 'é'.repeat(150_000);
    const line = (row: number) => ({ row, status: 'errored' as const, error: { code: 'internal_error', message: text } });
    await jobs.writeResults(record, { v: 1, slice: 0, succeeded: 0, errored: 2, cancelled: 0, expired: 0, pairs: 1 }, [line(1), line(2)]);
    const lines = await read(record, running(record, [0]));
    expect(lines.map(({ error }) => error?.message === text)).toEqual([true, true]);
  });
});
