import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { S3BlobStore } from '@rerank-fleet/core/adapters/blobs/s3-blob-store';
import { Gate } from '../conformance/blob-gate.js';
import { keysUnder } from '../conformance/blob-fixtures.js';
import { NoS3Server, S3Server } from '../support/s3-server.js';
import { startTestStack, type TestStack } from '../support/stack.js';
import { expectProblem } from './problem.js';

const START_MS = 240_000;

let server: S3Server | undefined;
let whyNot = '';
let gate: Gate;
let stack: TestStack;

beforeAll(async () => {
  try {
    server = await S3Server.start();
  } catch (error) {
    if (!(error instanceof NoS3Server)) throw error;
    whyNot = error.message;
    return;
  }
  gate = await Gate.before(server.url);
  const { bucket, credentials } = server.location('');
  stack = await startTestStack({
    environment: {
      BLOB_URL: `s3://${bucket}/fleet?endpoint=${encodeURIComponent(gate.url)}`,
      S3_ACCESS_KEY_ID: credentials?.accessKeyId,
      S3_SECRET_ACCESS_KEY: credentials?.secretAccessKey,
    },
  });
  await stack.client.putCorpus('notes');
}, START_MS);

afterAll(async () => {
  if (server === undefined) return;
  await stack.stop();
  await gate.close();
  await server.stop();
});

describe('a stack that keeps blobs on S3', () => {
  it('ingests documents by way of the bucket', async (context) => {
    context.skip(server === undefined, whyNot);
    await stack.client.ingest('notes', [{ id: 'a', text: 'Apple trees are pruned in late winter.' }], { wait: true });
    const found = await stack.client.search({ corpus: 'notes', query: 'when to prune apple trees' });
    expect(found.results.map((result) => result.document_id)).toEqual(['a']);
    const store = new S3BlobStore(server!.location(''));
    const keys = await keysUnder(store, 'fleet');
    store.close();
    expect(keys.filter((key) => !key.includes('/ingest-index/')).map((key) => key.split('/').at(-1))).toEqual(['done.json', 'job.json']);
  });

  it('runs a batch job by way of the bucket', async (context) => {
    context.skip(server === undefined, whyNot);
    const requests = Array.from({ length: 40 }, (_, at) => ({
      custom_id: `r${at}`,
      corpus: 'notes',
      query: `when to prune apple trees ${at}`,
    }));
    const job = await stack.client.submitJob({ requests: [...requests, { custom_id: 'bad', corpus: 'nowhere', query: 'q' }] });
    const lines = [];
    for await (const line of stack.client.jobResults(job.id, { follow: true, order: 'submission' })) lines.push(line);
    expect(lines.map(({ row }) => row)).toEqual(Array.from({ length: 41 }, (_, at) => at + 1));
    expect(await stack.client.getJob(job.id)).toMatchObject({
      status: 'completed',
      request_counts: { total: 41, succeeded: 40, errored: 1 },
    });
    await stack.client.deleteJob(job.id);
    const store = new S3BlobStore(server!.location(''));
    const left = (await keysUnder(store, 'fleet')).filter((key) => key.includes(job.id));
    store.close();
    expect(left).toEqual([]);
  });

  it('refuses an upload while S3 is away, searches all the same, and takes the upload when it is back', async (context) => {
    context.skip(server === undefined, whyNot);
    const documents = [{ id: 'b', text: 'Pears are picked before they are ripe.' }];
    await gate.close();
    const refused = await fetch(`${stack.url}/v1/corpora/notes/documents`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ documents }),
    });
    await expectProblem(refused, { code: 'blob_store_unavailable' });
    expect(refused.headers.get('retry-after')).toBe('5');
    expect((await stack.client.search({ corpus: 'notes', query: 'apple trees' })).results).toHaveLength(1);
    await gate.open();
    await stack.client.ingest('notes', documents, { wait: true });
    expect((await stack.client.search({ corpus: 'notes', query: 'picking pears' })).results[0]?.document_id).toBe('b');
  });
});
