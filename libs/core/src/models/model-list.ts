import { readdir } from 'node:fs/promises';
import type { ModelKind, Precision } from '../domain/index.js';
import { DEFAULT_EMBEDDER, DEFAULT_RERANKER, MODEL_MANIFEST, type ModelSource } from './manifest.js';
import { pulledFolder } from './model-directories.js';
import { isDirectory } from './model-folder.js';
import { choosePrecision, parseModelReference, precisionPreference, requireManifestEntry } from './model-name.js';
import type { ModelStoreOptions } from './model-options.js';
import { readRecord } from './model-record.js';
import { checkPulledModel } from './verify-model.js';

export interface ListedModel {
  readonly name: string;
  readonly kind: ModelKind;
  readonly precision: Precision;
  readonly licence: string;
  /** Tokens. */
  readonly maxLength: number;
  /** `pypi:package==version` or `hub:owner/repo`. */
  readonly source: string;
  /** In the cache; not verified here. */
  readonly pulled: boolean;
  /** Bytes on disk, if pulled. */
  readonly bytes?: number;
  /** Taken where nothing else is configured. */
  readonly isDefault: boolean;
}

const describeSource = (source: ModelSource): string =>
  source.kind === 'wheel' ? `pypi:${source.wheel.requirement}` : `hub:${source.repo}`;

/** Every model of the manifest, each precision once, in the manifest's order. */
export async function listModels(options: ModelStoreOptions): Promise<readonly ListedModel[]> {
  const listed: ListedModel[] = [];
  for (const entry of options.manifest ?? MODEL_MANIFEST) {
    const { name, kind, licence, maxLength } = entry;
    for (const [key, source] of Object.entries(entry.sources)) {
      const precision = key as Precision;
      const record = await readRecord(pulledFolder(options, name, precision));
      const isDefault = (name === DEFAULT_RERANKER || name === DEFAULT_EMBEDDER) && precision === 'int8';
      const bytes = record === undefined ? {} : { bytes: Object.values(record.files).reduce((sum, file) => sum + file.size, 0) };
      listed.push({
        name,
        kind,
        precision,
        licence,
        maxLength,
        source: describeSource(source),
        pulled: record !== undefined,
        ...bytes,
        isDefault,
      });
    }
  }
  return listed;
}

/** Names of the folders in MODELS_DIR; each can be given to `resolveModel`. */
export async function listModelsDirectory(options: ModelStoreOptions): Promise<readonly string[]> {
  const { modelsDirectory } = options;
  if (modelsDirectory === undefined || !(await isDirectory(modelsDirectory))) return [];
  const entries = await readdir(modelsDirectory, { withFileTypes: true });
  return entries
    .filter((entry) => (entry.isDirectory() || entry.isSymbolicLink()) && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
}

export interface VerifiedModel {
  readonly name: string;
  readonly precision: Precision;
  readonly state: 'whole' | 'absent' | 'damaged';
  readonly directory: string;
  readonly problem?: string;
}

/**
 * Reads every file of a pulled model and compares hashes; never fetches.
 *
 * @throws RerankError `model_not_found`
 */
export async function verifyModel(name: string, options: ModelStoreOptions): Promise<VerifiedModel> {
  const reference = parseModelReference(name);
  const entry = requireManifestEntry(reference.base, options);
  const precision = choosePrecision(entry, reference.precision, precisionPreference());
  const { state, directory, ...rest } = await checkPulledModel(entry, precision, options);
  return { name: entry.name, precision, state, directory, ...('problem' in rest ? { problem: rest.problem } : {}) };
}
