import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Precision } from '../domain/index.js';
import { digestFile, type FileDigest } from './file-digest.js';
import type { ManifestEntry } from './manifest.js';
import { modelsRoot, pulledFolder } from './model-directories.js';
import { isDirectory } from './model-folder.js';
import type { ModelStoreOptions } from './model-options.js';
import { type ModelRecord, readRecord } from './model-record.js';
import { readLockedModel } from './models-lock.js';

export type FolderCheck =
  | { readonly state: 'whole'; readonly directory: string; readonly record: ModelRecord }
  | { readonly state: 'absent'; readonly directory: string }
  | { readonly state: 'damaged'; readonly directory: string; readonly problem: string };

/** The hashes that a pulled model must have: the manifest's, else the lock file's. */
async function pinnedFiles(
  entry: ManifestEntry,
  precision: Precision,
  options: ModelStoreOptions,
): Promise<ReadonlyMap<string, FileDigest>> {
  const source = entry.sources[precision];
  if (source?.kind === 'wheel') return new Map(source.files.map(({ to, size, sha256 }) => [to, { size, sha256 }]));
  const locked = await readLockedModel(modelsRoot(options), `${entry.name}@${precision}`);
  return new Map(Object.entries(locked?.repo === source?.repo ? (locked?.files ?? {}) : {}));
}

async function findDamage(directory: string, path: string, expected: FileDigest): Promise<string | undefined> {
  const size = await stat(join(directory, path)).then(
    (found) => found.size,
    () => undefined,
  );
  if (size === undefined) return `${path} is missing`;
  if (size !== expected.size) return `${path} has ${size} bytes, not ${expected.size}`;
  return (await digestFile(join(directory, path))).sha256 === expected.sha256 ? undefined : `${path} has a wrong checksum`;
}

/** Holds every file of a folder that a pull made to its record. Reads all of them: some 100 ms for 34 MB. */
export async function checkRecordedFolder(directory: string, pinned: ReadonlyMap<string, FileDigest>): Promise<FolderCheck> {
  if (!(await isDirectory(directory))) return { state: 'absent', directory };
  const record = await readRecord(directory);
  if (record === undefined) return { state: 'damaged', directory, problem: 'its record is missing or damaged' };
  for (const [path, { sha256 }] of pinned) {
    if (record.files[path]?.sha256 !== sha256) return { state: 'damaged', directory, problem: `${path} is not the pinned file` };
  }
  for (const [path, expected] of Object.entries(record.files)) {
    const problem = await findDamage(directory, path, expected);
    if (problem !== undefined) return { state: 'damaged', directory, problem };
  }
  return { state: 'whole', directory, record };
}

/** Checks a model in the cache, against the manifest or the lock file. */
export async function checkPulledModel(entry: ManifestEntry, precision: Precision, options: ModelStoreOptions): Promise<FolderCheck> {
  return checkRecordedFolder(pulledFolder(options, entry.name, precision), await pinnedFiles(entry, precision, options));
}
