import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { RerankClient, type JobResultLine } from '@rerank-fleet/client';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import { BatchJobs, IngestJobs, purgeBatchJobs } from '@rerank-fleet/core/jobs';
import { processesOf, until } from '../support/stack.ts';
import type { BatchRun } from './batch-load.ts';
import type { ChaosStack, ObserverRedis } from './chaos-stack.ts';
import type { DocumentLoad } from './document-load.ts';
import type { DocumentsObservation, JobObservation, RedisKey, ReindexObservation } from './observation.ts';
import type { ReindexRun } from './reindex-load.ts';
import { COMMON_WORD } from './texts.ts';

const DAY_MS = 24 * 3_600_000;
const ENDS_WITHIN_MS = 8_000;
const LOOKS_WITHIN_MS = 5_000;

export async function collectJob(client: RerankClient, run: BatchRun): Promise<JobObservation> {
  const seen = { plan: run.plan, ids: [...run.ids], cancelled: run.cancelled, fault: run.fault, followed: run.followed };
  if (run.id === undefined) return { ...seen, lines: [] };
  const body = await client.getJob(run.id);
  const lines: JobResultLine[] = [];
  for await (const line of client.jobResults(run.id)) lines.push(line);
  return { ...seen, lines, ...(body.kind === 'batch' ? { body } : {}) };
}

export async function collectDocuments(client: RerankClient, load: DocumentLoad): Promise<DocumentsObservation> {
  const stored = new Map<string, string>();
  for await (const { id, text } of client.listDocuments(load.corpus)) stored.set(id, text);
  const find = async (mode: 'sparse' | 'dense'): Promise<string[]> => {
    const { results } = await client.search({ corpus: load.corpus, query: COMMON_WORD, mode, rerank: false, top_k: 1_000, top_n: 1_000 });
    return results.map(({ document_id }) => document_id);
  };
  const found = { sparse: await find('sparse'), dense: await find('dense') };
  return { allowed: load.allowed, stored, found, faults: load.faults, unclear: load.unclear };
}

export async function collectReindex(client: RerankClient, corpus: string, run: ReindexRun): Promise<ReindexObservation> {
  const all = await run.lookAtAll();
  return {
    body: all.find(({ id }) => id === run.id),
    others: all.filter(({ id, status }) => id !== run.id && status === 'completed'),
    unheard: run.unheard,
    fault: run.fault,
    promotedVersion: (await client.getCorpus(corpus)).version,
  };
}

/**
 * Deletes all that the run made, as a user would. Resolves to batch jobs that nobody submitted, which are deleted, too.
 */
export async function clearAway(client: RerankClient, corpora: readonly string[], known: ReadonlySet<string>): Promise<string[]> {
  const strange: string[] = [];
  for (const corpus of corpora) await client.deleteCorpus(corpus);
  for await (const job of client.listJobs()) {
    if (job.kind === 'batch' && !known.has(job.id)) strange.push(`${job.id}: ${JSON.stringify(job.request_counts)}`);
    await client.deleteJob(job.id).catch((error: unknown) => strange.push(`${job.id} cannot be deleted: ${String(error)}`));
  }
  return strange;
}

export async function collectKeys(redis: ObserverRedis): Promise<RedisKey[]> {
  const keys: RedisKey[] = [];
  let cursor = '0';
  do {
    const [next, names] = await redis.scan(cursor, 'COUNT', 500);
    cursor = next;
    for (const name of names) {
      const ttlMs = await redis.pttl(name);
      if (ttlMs !== -2) keys.push({ name, size: await sizeOf(redis, name), ttlMs: ttlMs === -1 ? undefined : ttlMs });
    }
  } while (cursor !== '0');
  return keys;
}

async function sizeOf(redis: ObserverRedis, name: string): Promise<number> {
  switch (await redis.type(name)) {
    case 'list':
      return await redis.llen(name);
    case 'set':
      return await redis.scard(name);
    case 'zset':
      return await redis.zcard(name);
    case 'hash':
      return await redis.hlen(name);
    case 'stream':
      return await redis.xlen(name);
    default:
      return 1;
  }
}

/** Processes that bear the mark of the stack and that nobody runs, once those that are ending have had their time. */
export async function collectStrangers(stack: ChaosStack, withinMs = ENDS_WITHIN_MS): Promise<string[]> {
  let strangers: number[] = [];
  await until(
    'strange processes to end',
    async () => {
      const known = new Set([...(await stack.pids()).values(), stack.supervisorPid]);
      strangers = (await processesOf(stack.root)).filter((pid) => !known.has(pid));
      return strangers.length === 0;
    },
    withinMs,
  ).catch(() => undefined);
  const named = strangers.map(async (pid) => {
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return `${pid}: ${command.replaceAll('\0', ' ').slice(0, 200)}`;
  });
  return [...(await Promise.all(named)), ...stack.outlived.splice(0)];
}

const STATE_FILES = /^(store\/embedded\.sqlite(-wal|-shm)?|supervisor\.(lock(-journal)?|pid)|redis\/.*)$/;

/**
 * Files of the state directory that are nobody's: first what crashes leave is cleared away by the product's own purge, as if a day had gone by; then all that
 * is left in the blob store, and anything beside the stores, is too much. Call it when all jobs have been deleted.
 */
export async function collectFiles(stack: ChaosStack): Promise<string[]> {
  const folder = join(stack.stateDirectory, 'blobs');
  const blobs = new FileBlobStore(folder);
  const tomorrow = Date.now() + DAY_MS;
  const faults: string[] = [];
  const log = { error: (fields: object, message: string) => void faults.push(`${message} ${JSON.stringify(fields)}`) };
  await new IngestJobs(blobs).purge(tomorrow);
  await purgeBatchJobs({ blobs, jobs: new BatchJobs(blobs), log }, { endedBeforeMs: tomorrow, begunBeforeMs: tomorrow });
  await blobs.sweep(0);
  const files = await readdir(stack.stateDirectory, { recursive: true, withFileTypes: true });
  const names = files.filter((entry) => entry.isFile()).map((entry) => relative(stack.stateDirectory, join(entry.parentPath, entry.name)));
  return [...faults, ...names.filter((name) => !STATE_FILES.test(name))];
}

/** Names of collections in Qdrant that are of no corpus in `corpora`. */
export function collectCollections({ qdrant }: ChaosStack, corpora: readonly string[]): string[] {
  const isOwn = (name: string): boolean =>
    name === 'rf_corpora' ||
    corpora.some((corpus) => [`rf_docs__default__${corpus}__`, `rf__default__${corpus}__`].some((start) => name.startsWith(start)));
  return (qdrant?.collectionNames() ?? []).filter((name) => !isOwn(name));
}

/** Deletions of documents that have begun and not ended. */
export async function pendingDeletes(stack: ChaosStack): Promise<readonly string[]> {
  if (stack.qdrant !== undefined) {
    const { documentStore } = openQdrantStores({ url: stack.qdrant.url, timeoutMs: LOOKS_WITHIN_MS });
    return (await documentStore.listPendingDeletes()).map(({ id }) => id);
  }
  const database = new DatabaseSync(embeddedFile(stack), { readOnly: true, timeout: 1_000 });
  try {
    return database
      .prepare('SELECT id FROM pending_deletes')
      .all()
      .map(({ id }) => String(id));
  } finally {
    database.close();
  }
}

function embeddedFile(stack: ChaosStack): string {
  return join(stack.stateDirectory, 'store', 'embedded.sqlite');
}

export function checkDatabase(stack: ChaosStack): string {
  if (stack.qdrant !== undefined) return 'ok';
  const database = new DatabaseSync(embeddedFile(stack), { readOnly: true, timeout: 10_000 });
  try {
    return String(database.prepare('PRAGMA integrity_check').get()?.['integrity_check']);
  } finally {
    database.close();
  }
}
