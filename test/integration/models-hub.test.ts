import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RerankError } from '@rerank-fleet/core/errors';
import { modelsRoot, pullModel, resolveModel, verifyModel, type ManifestEntry, type PullOptions } from '@rerank-fleet/core/models';
import { HubServer } from './models-hub-server.js';

const REPO = 'acme/tiny-reranker';
const GRAPH = 'onnx/model_quantized.onnx';
const PULL_PROGRAM = fileURLToPath(new URL('./models-programs/pull.mjs', import.meta.url));

const ENTRY: ManifestEntry = {
  name: 'tiny-reranker',
  hubIds: [REPO],
  kind: 'cross-encoder',
  maxLength: 128,
  licence: 'MIT',
  sources: {
    int8: { kind: 'hub', repo: REPO, revision: 'main', onnx: GRAPH },
    fp16: { kind: 'hub', repo: REPO, revision: 'main', onnx: 'onnx/absent.onnx' },
  },
};

const graph = (fill: string): Buffer => Buffer.alloc(3_000_000, fill);
const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

let hub: HubServer;
let options: PullOptions;

beforeEach(async () => {
  hub = new HubServer(
    REPO,
    new Map([
      [GRAPH, graph('g')],
      ['onnx/model.onnx', graph('f')],
      ['tokenizer.json', Buffer.from('{"model":{}}')],
      ['config.json', Buffer.from('{"architectures":["BertForSequenceClassification"]}')],
      ['README.md', Buffer.from('not wanted')],
    ]),
  );
  const cacheDirectory = await mkdtemp(join(tmpdir(), 'rerank-models-'));
  options = { cacheDirectory, hubEndpoint: await hub.start(), manifest: [ENTRY], retryDelayMs: 1 };
});

afterEach(async () => {
  await hub.close();
  await rm(options.cacheDirectory, { recursive: true, force: true });
});

const folder = (): string => join(modelsRoot(options), 'tiny-reranker@int8');
const requestsOf = (path: string) => hub.requests.filter((request) => request.path.endsWith(path));

async function failure(promise: Promise<unknown>): Promise<RerankError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RerankError);
  return error as RerankError;
}

describe('pullModel from the hub', () => {
  it('takes the graph and what says how to use it, and nothing else', async () => {
    const model = await pullModel(REPO, options);
    expect(model).toMatchObject({ name: 'tiny-reranker', precision: 'int8', licence: 'MIT', sha256: sha256(graph('g')), maxLength: 128 });
    expect(await readFile(model.onnxPath)).toEqual(graph('g'));
    expect((await readdir(folder(), { recursive: true })).sort()).toEqual([
      'config.json',
      'onnx',
      GRAPH,
      'rerank-model.json',
      'tokenizer.json',
    ]);
  });

  it('fetches nothing when the model is there and whole', async () => {
    await pullModel('tiny-reranker', options);
    hub.requests.length = 0;
    await pullModel('tiny-reranker', options);
    await resolveModel('tiny-reranker', options);
    expect(hub.requests).toEqual([]);
  });

  it('goes on where a broken connection stopped', async () => {
    hub.faults.set(GRAPH, ['cut-in-half']);
    await pullModel('tiny-reranker', options);
    const ranges = requestsOf(GRAPH).map(({ range }) => range);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[1]).toMatch(/^bytes=[1-9]\d*-$/);
    expect((await verifyModel('tiny-reranker', options)).state).toBe('whole');
  });

  it('begins again where the server does not resume', async () => {
    hub.faults.set(GRAPH, ['cut-in-half', 'no-ranges']);
    await pullModel('tiny-reranker', options);
    expect((await verifyModel('tiny-reranker', options)).state).toBe('whole');
  });

  it('goes on in a later pull where an earlier one gave up', async () => {
    hub.faults.set(GRAPH, ['cut-in-half', ...Array.from({ length: 6 }, () => 'server-error' as const)]);
    const error = await failure(pullModel('tiny-reranker', options));
    expect(error.code).toBe('model_unavailable');
    expect(error.detail).toContain('HF_ENDPOINT');
    hub.faults.clear();
    hub.requests.length = 0;
    await pullModel('tiny-reranker', options);
    expect(requestsOf(GRAPH).map(({ range }) => range)).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-$/)]);
  });

  it('tries again after a server error', async () => {
    hub.faults.set(GRAPH, ['server-error', 'server-error']);
    const notes: string[] = [];
    await pullModel('tiny-reranker', { ...options, onNote: (line) => notes.push(line) });
    expect(requestsOf(GRAPH)).toHaveLength(3);
    expect(notes).toHaveLength(2);
  });

  it.each([GRAPH, 'config.json'])('throws a wrong %s away and leaves no model', async (path) => {
    hub.faults.set(path, ['corrupt']);
    const error = await failure(pullModel('tiny-reranker', options));
    expect(error.detail).toContain('wrong checksum');
    expect((await verifyModel('tiny-reranker', options)).state).toBe('absent');
    await pullModel('tiny-reranker', options);
    expect((await verifyModel('tiny-reranker', options)).state).toBe('whole');
  });

  it('says what to do when the hub wants a token, and sends the one that is set', async () => {
    hub.token = 'hf_secret';
    const error = await failure(pullModel('tiny-reranker', options));
    expect(error.detail).toContain('HF_TOKEN');
    expect(requestsOf('/revision/main')).toHaveLength(1);
    await pullModel('tiny-reranker', { ...options, hubToken: 'hf_secret' });
    expect(hub.requests.at(-1)?.authorization).toBe('Bearer hf_secret');
  });

  it('names what the repository has when the wanted precision is not there', async () => {
    const error = await failure(pullModel('tiny-reranker@fp16', options));
    expect(error.detail).toContain(GRAPH);
  });

  it('reports progress over all files, ending at the total', async () => {
    const seen: [number, number | undefined][] = [];
    await pullModel('tiny-reranker', { ...options, onProgress: ({ received, total }) => seen.push([received, total]) });
    const [received, total] = seen.at(-1) ?? [];
    expect(received).toBe(total);
    expect(seen.map(([bytes]) => bytes)).toEqual(seen.map(([bytes]) => bytes).toSorted((a, b) => a - b));
  });
});

describe('the lock file', () => {
  it('holds a model to the revision of its first pull', async () => {
    await pullModel('tiny-reranker', options);
    await rm(folder(), { recursive: true });
    const first = hub.commit;
    hub.requests.length = 0;
    await pullModel('tiny-reranker', options);
    expect(hub.requests.every(({ path }) => path.startsWith(`/${REPO}/resolve/${first}/`))).toBe(true);
  });

  it('refuses other bytes under the locked revision, and says how to accept them', async () => {
    await pullModel('tiny-reranker', options);
    await rm(folder(), { recursive: true });
    hub.files.set(GRAPH, graph('h'));
    const error = await failure(pullModel('tiny-reranker', options));
    expect(error.detail).toContain('models.lock.json');
    expect((await verifyModel('tiny-reranker', options)).state).toBe('absent');
  });

  it('is damaged in the open', async () => {
    await pullModel('tiny-reranker', options);
    await writeFile(join(modelsRoot(options), 'models.lock.json'), '{"v":1');
    expect((await failure(resolveModel('tiny-reranker', options))).detail).toContain('is damaged');
  });
});

describe('a damaged model', () => {
  it('is refused with what to do, and replaced by a pull', async () => {
    const { onnxPath } = await pullModel('tiny-reranker', options);
    await truncate(onnxPath, 1_000);
    const error = await failure(resolveModel('tiny-reranker', options));
    expect(error.code).toBe('model_unavailable');
    expect(error.detail).toContain('rerank models pull tiny-reranker@int8');
    expect(await verifyModel('tiny-reranker', options)).toMatchObject({
      state: 'damaged',
      problem: expect.stringContaining('1000 bytes') as string,
    });
    await pullModel('tiny-reranker', options);
    expect((await resolveModel('tiny-reranker', options)).sha256).toBe(sha256(graph('g')));
  });

  it('is found when one byte differs', async () => {
    const { onnxPath } = await pullModel('tiny-reranker', options);
    const content = await readFile(onnxPath);
    content[1_234_567] = 0;
    await writeFile(onnxPath, content);
    expect((await failure(resolveModel('tiny-reranker', options))).detail).toContain('wrong checksum');
  });
});

describe('several processes', () => {
  const pullInChild = () => fork(PULL_PROGRAM, [JSON.stringify(options)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });

  it('pull one model once', async () => {
    const children = [pullInChild(), pullInChild(), pullInChild()];
    const codes = await Promise.all(children.map(async (child) => ((await once(child, 'exit')) as [number])[0]));
    expect(codes).toEqual([0, 0, 0]);
    expect(requestsOf(GRAPH)).toHaveLength(1);
  });

  it('leave nothing that passes for a model when one is killed at any moment', async () => {
    for (let delayMs = 0; delayMs <= 200; delayMs += 40) {
      const child = pullInChild();
      await once(child, 'message');
      await sleep(delayMs);
      child.kill('SIGKILL');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      expect((await verifyModel('tiny-reranker', options)).state).not.toBe('damaged');
    }
    await pullModel('tiny-reranker', options);
    expect((await verifyModel('tiny-reranker', options)).state).toBe('whole');
  });
});
