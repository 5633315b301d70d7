import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, type TestContext } from 'vitest';
import { startTestStack, until, type TestStack } from '../support/stack.js';
import { expectProblem } from './problem.js';
import { makeSmallDisk, type SmallDisk } from './small-disk.js';

const DISK_BYTES = 48 * 1024 * 1024;
const WHY_NOT = 'this user may neither mount a tmpfs nor is there a small /dev/shm';

let disk: SmallDisk | undefined;
let stack: TestStack;

beforeAll(async () => {
  disk = await makeSmallDisk(DISK_BYTES);
  if (disk === undefined) return;
  const stateDirectory = join(disk.directory, 'state');
  await mkdir(stateDirectory);
  stack = await startTestStack({ stateDirectory });
  await stack.client.putCorpus('notes');
  await stack.client.ingest('notes', [{ id: 'first', text: 'Stored before the disk was full.' }], { wait: true });
});

afterEach(async () => {
  await disk?.clear();
});

afterAll(async () => {
  if (disk === undefined) return;
  await stack.stop();
  await disk.remove();
});

function needDisk(context: TestContext): SmallDisk {
  context.skip(disk === undefined, WHY_NOT);
  return disk!;
}

const rows = (count: number, words: number) =>
  Array.from({ length: count }, (_, n) => ({
    id: `row-${n}`,
    text: `Row ${n} of an upload. ${'Lorem ipsum dolor sit amet. '.repeat(words)}`,
  }));

const upload = (documents: readonly object[]): Promise<Response> =>
  fetch(`${stack.url}/v1/corpora/notes/documents?wait=true`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: documents.map((document) => JSON.stringify(document)).join('\n'),
  });

describe('an ingest on a full disk', () => {
  it('is refused with 507 when the upload does not fit, keeps nothing, and succeeds when there is room', async (context) => {
    const { fill, clear } = needDisk(context);
    const documents = rows(64, 400);
    await fill(128 * 1024);
    await expectProblem(await upload(documents), { code: 'storage_full', detail: /[Ff]ree space/ });
    await clear();
    expect(await stack.client.getCorpus('notes')).toMatchObject({ documents: 1 });
    const { results } = await stack.client.search({ corpus: 'notes', query: 'disk', rerank: false });
    expect(results.map(({ document_id }) => document_id)).toEqual(['first']);
    const done = await upload(documents.slice(0, 4));
    expect(done.status).toBe(200);
    expect(await done.json()).toMatchObject({ status: 'completed', request_counts: { succeeded: 4, errored: 0 } });
  });

  it('waits in the queue when the store does not fit, and ends when there is room', async (context) => {
    const { fill, clear } = needDisk(context);
    const documents = rows(200, 5);
    const bytes = documents.reduce((sum, document) => sum + JSON.stringify(document).length + 100, 0);
    await fill(bytes + 96 * 1024);
    const job = await stack.client.ingest('notes', documents);
    await until('the worker to find the disk full', () => stack.said().includes('storage_full'), 30_000);
    expect(await stack.client.getJob(job.id)).toMatchObject({ status: 'queued', request_counts: { processing: 200 } });
    await clear();
    const done = await stack.client.waitForJob(job.id, { timeoutMs: 120_000 });
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 200, processing: 0, succeeded: 200, errored: 0 } });
    expect((await stack.client.getDocument('notes', 'row-199')).text).toContain('Row 199');
  });
});
