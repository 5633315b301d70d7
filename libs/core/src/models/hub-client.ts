import { createHash } from 'node:crypto';
import { open, mkdir, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { RerankError } from '../errors/index.js';
import { digestFile, type FileDigest } from './file-digest.js';

export const DEFAULT_HUB_ENDPOINT = 'https://huggingface.co';

const MAX_ATTEMPTS = 6;
/** A connection that gives nothing for this long is dropped and taken up again. */
const STALL_MS = 30_000;

export interface HubOptions {
  readonly endpoint: string;
  readonly token?: string | undefined;
  readonly retryDelayMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onNote?: ((line: string) => void) | undefined;
}

export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Of the content; the hub states it for large files. */
  readonly sha256?: string;
  /** Git's blob hash, which the hub states for small files. */
  readonly gitSha1?: string;
}

const treeSchema = z.array(
  z.object({
    type: z.string(),
    path: z.string(),
    size: z.int(),
    oid: z.string(),
    lfs: z.object({ oid: z.string(), size: z.int() }).optional(),
  }),
);

/** A failure that another attempt may cure. */
class TransientError extends Error {
  constructor(
    message: string,
    readonly retryAfterMs?: number,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

function explainStatus(status: number, url: URL): RerankError {
  if (status === 401 || status === 403) {
    return new RerankError(
      'model_unavailable',
      `The hub refuses ${url.pathname} (${status}): set HF_TOKEN to a token that may read it, and accept the model's terms on its page.`,
    );
  }
  return new RerankError('model_unavailable', `The hub at ${url.host} answers ${status} for ${url.pathname}.`);
}

function retryAfterMs(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(seconds, 60) * 1_000 : undefined;
}

async function request(url: URL, headers: Record<string, string>, options: HubOptions, signal: AbortSignal): Promise<Response> {
  // fetch drops the Authorization header when the hub redirects to another host.
  const authorization = options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
  let response: Response;
  try {
    response = await fetch(url, { headers: { ...headers, ...authorization, 'accept-encoding': 'identity' }, signal });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new TransientError(`cannot reach ${url.host}`, undefined, error);
  }
  if (response.ok || response.status === 416) return response;
  await response.body?.cancel();
  if (response.status >= 500 || response.status === 429 || response.status === 408) {
    throw new TransientError(`${url.host} answers ${response.status}`, retryAfterMs(response));
  }
  throw explainStatus(response.status, url);
}

/** Runs `attempt` until it succeeds, six times at most; `attempt` calls `alive` whenever it gets something. */
async function withRetries<T>(
  what: string,
  options: HubOptions,
  attempt: (signal: AbortSignal, alive: () => void) => Promise<T>,
): Promise<T> {
  for (let failures = 0; ;) {
    const stall = new AbortController();
    const timer = setTimeout(() => {
      stall.abort(new TransientError('no data for 30 seconds'));
    }, STALL_MS);
    try {
      return await attempt(options.signal === undefined ? stall.signal : AbortSignal.any([options.signal, stall.signal]), () =>
        timer.refresh(),
      );
    } catch (error) {
      options.signal?.throwIfAborted();
      if (error instanceof RerankError) throw error;
      failures += 1;
      const reason = error instanceof TransientError ? error.message : 'the connection broke';
      if (failures === MAX_ATTEMPTS) {
        throw new RerankError(
          'model_unavailable',
          `${what} could not be fetched: ${reason}. Check the network or HF_ENDPOINT, or put the model into MODELS_DIR. What was received is kept: the next pull goes on from there.`,
          { cause: error },
        );
      }
      options.onNote?.(`${what}: ${reason}; trying again (${failures + 1} of ${MAX_ATTEMPTS})`);
      const wait =
        (error instanceof TransientError ? error.retryAfterMs : undefined) ??
        options.retryDelayMs * 2 ** (failures - 1) * (0.5 + Math.random());
      await sleep(wait, undefined, options.signal === undefined ? {} : { signal: options.signal });
    } finally {
      clearTimeout(timer);
    }
  }
}

const hubUrl = (options: HubOptions, path: string): URL => new URL(`${options.endpoint.replace(/\/+$/, '')}${path}`);
const escapePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** The commit that a branch or tag means now. */
export async function fetchCommit(repo: string, revision: string, options: HubOptions): Promise<string> {
  const url = hubUrl(options, `/api/models/${repo}/revision/${encodeURIComponent(revision)}`);
  const body = await withRetries(repo, options, async (signal) => (await request(url, {}, options, signal)).json());
  const parsed = z.object({ sha: z.string().regex(/^[0-9a-f]{7,64}$/) }).safeParse(body);
  if (!parsed.success) throw new RerankError('model_unavailable', `${url.host} did not answer as a model hub does. Check HF_ENDPOINT.`);
  return parsed.data.sha;
}

/** Every file of the repository at a commit. */
export async function fetchTree(repo: string, commit: string, options: HubOptions): Promise<readonly HubFile[]> {
  const files: HubFile[] = [];
  let next: URL | undefined = hubUrl(options, `/api/models/${repo}/tree/${commit}?recursive=true`);
  while (next !== undefined) {
    const url: URL = next;
    const page = await withRetries(repo, options, async (signal) => {
      const response = await request(url, {}, options, signal);
      return { body: await response.json(), link: response.headers.get('link') };
    });
    const parsed = treeSchema.safeParse(page.body);
    if (!parsed.success) throw new RerankError('model_unavailable', `${url.host} did not answer as a model hub does. Check HF_ENDPOINT.`);
    for (const { type, path, size, oid, lfs } of parsed.data) {
      if (type === 'file')
        files.push(lfs === undefined ? { path, size, gitSha1: oid } : { path, size: lfs.size, sha256: lfs.oid.replace(/^sha256:/, '') });
    }
    const link = /<([^>]+)>;\s*rel="next"/.exec(page.link ?? '')?.[1];
    next = link === undefined ? undefined : new URL(link, url);
    if (next !== undefined && next.host !== url.host)
      throw new RerankError('model_unavailable', `${url.host} pages its answer on another host. Check HF_ENDPOINT.`);
  }
  return files;
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => 0,
  );
}

interface DownloadTarget {
  readonly url: URL;
  readonly file: HubFile;
  readonly partPath: string;
}

/** One attempt: goes on from what `partPath` holds, if the server agrees. */
async function appendRest(
  { url, file, partPath }: DownloadTarget,
  options: HubOptions,
  signal: AbortSignal,
  onBytes: (received: number) => void,
): Promise<void> {
  let received = await sizeOf(partPath);
  if (received > file.size) {
    await rm(partPath);
    received = 0;
  }
  if (received === file.size && received > 0) return;
  const response = await request(url, received === 0 ? {} : { range: `bytes=${received}-` }, options, signal);
  const resumed = response.status === 206 && response.headers.get('content-range')?.startsWith(`bytes ${received}-`) === true;
  if (received > 0 && !resumed) {
    await rm(partPath, { force: true });
    received = 0;
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new TransientError('the server does not resume');
    }
  }
  const handle = await open(partPath, 'a');
  try {
    for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      if (received > file.size) throw new TransientError('the server sends more than it stated');
      await handle.writeFile(chunk);
      onBytes(received);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (received < file.size) throw new TransientError('the connection broke');
}

async function gitSha1(path: string, size: number): Promise<string> {
  const hash = createHash('sha1').update(`blob ${size}\0`);
  await digestFile(path, (chunk) => hash.update(chunk));
  return hash.digest('hex');
}

export interface DownloadRequest {
  readonly repo: string;
  readonly commit: string;
  readonly file: HubFile;
  /** What is there already is gone on from; complete and verified when the promise resolves. */
  readonly partPath: string;
  /** What to say when the checksum is wrong, if it is not the hub's own. */
  readonly mismatchAdvice?: string;
}

/**
 * Downloads one file and holds it to the hash that the hub states.
 *
 * @throws RerankError `model_unavailable`; the signal's reason
 */
export async function downloadHubFile(
  download: DownloadRequest,
  options: HubOptions,
  onBytes: (received: number) => void,
): Promise<FileDigest> {
  const { repo, commit, file, partPath } = download;
  const url = hubUrl(options, `/${repo}/resolve/${commit}/${escapePath(file.path)}`);
  await mkdir(dirname(partPath), { recursive: true });
  await withRetries(`${repo}/${file.path}`, options, (signal, alive) =>
    appendRest({ url, file, partPath }, options, signal, (received) => {
      alive();
      onBytes(received);
    }),
  );
  const digest = await digestFile(partPath, undefined, options.signal);
  const matches = file.sha256 === undefined ? (await gitSha1(partPath, digest.size)) === file.gitSha1 : digest.sha256 === file.sha256;
  if (!matches) {
    await rm(partPath, { force: true });
    const advice = download.mismatchAdvice ?? 'Pull again; if it stays wrong, check HF_ENDPOINT.';
    throw new RerankError('model_unavailable', `${file.path} of ${repo} came with a wrong checksum and was thrown away. ${advice}`);
  }
  return digest;
}
