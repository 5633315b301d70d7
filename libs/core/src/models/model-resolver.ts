import { basename, isAbsolute, join, resolve } from 'node:path';
import { stat } from 'node:fs/promises';
import type { ModelTraits, Precision, ResolvedModel } from '../domain/index.js';
import { RerankError } from '../errors/index.js';
import { findManifestEntry, MODEL_MANIFEST, type ManifestEntry } from './manifest.js';
import { type InspectedOnnx, inspectOnnx, isDirectory, listOnnxFiles } from './model-folder.js';
import { choosePrecision, parseModelReference, precisionPreference, requireManifestEntry } from './model-name.js';
import type { PullOptions, ResolveOptions } from './model-options.js';
import { type ModelRecord, readRecord } from './model-record.js';
import { inferTraits } from './model-traits.js';
import { fetchModel } from './pull-model.js';
import { checkPulledModel, checkRecordedFolder } from './verify-model.js';

const NO_PINS = new Map<string, never>();

function traitsOf({ kind, maxLength, labelIndex, pooling, normalize, queryPrefix, passagePrefix }: ManifestEntry): ModelTraits {
  const optional = { labelIndex, pooling, normalize, queryPrefix, passagePrefix };
  return {
    kind,
    maxLength,
    ...(Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined)) as Partial<ModelTraits>),
  };
}

function fromRecord(name: string, directory: string, record: ModelRecord, traits: ModelTraits): ResolvedModel {
  const onnx = record.files[record.onnx];
  if (onnx === undefined)
    throw new RerankError(
      'model_unavailable',
      `The record of ${directory} is damaged; pull ${record.name} again: rerank models pull ${record.name}`,
    );
  return {
    ...traits,
    name,
    precision: record.precision,
    licence: record.licence,
    directory,
    onnxPath: join(directory, record.onnx),
    tokenizerPath: join(directory, 'tokenizer.json'),
    sha256: onnx.sha256,
  };
}

/** The first file in the order of preference. A plain `model.onnx` is read to learn its precision, once, and only if it can matter. */
async function chooseOnnx(directory: string, preference: readonly Precision[], signal?: AbortSignal): Promise<InspectedOnnx | undefined> {
  const files = await listOnnxFiles(directory);
  const plain: InspectedOnnx[] = [];
  let plainRead = false;
  for (const precision of preference) {
    const named = files.find((file) => file.precision === precision);
    if (named !== undefined) return inspectOnnx(directory, named, signal);
    if (!plainRead) {
      for (const file of files.filter((candidate) => candidate.precision === undefined))
        plain.push(await inspectOnnx(directory, file, signal));
      plainRead = true;
    }
    const found = plain.find((file) => file.precision === precision);
    if (found !== undefined) return found;
  }
  return undefined;
}

async function requireTokenizer(directory: string): Promise<string> {
  const path = join(directory, 'tokenizer.json');
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  if (size === 0)
    throw new RerankError(
      'model_unavailable',
      `${directory} has no tokenizer.json. A model's folder needs model.onnx (or onnx/model*.onnx), tokenizer.json and config.json.`,
    );
  return path;
}

/** What is looked for: any precision of `preference`, the first one best. */
interface Lookup {
  readonly name: string;
  readonly preference: readonly Precision[];
  readonly options: ResolveOptions;
  readonly entry?: ManifestEntry | undefined;
}

/** A folder that somebody else made: nothing says what its hashes must be, except the manifest for a file that it names. */
async function fromPlainFolder(directory: string, { name, preference, options, entry }: Lookup): Promise<ResolvedModel | undefined> {
  const onnx = await chooseOnnx(directory, preference, options.signal);
  if (onnx === undefined) return undefined;
  const source = entry?.sources[onnx.precision];
  const pinned = source?.kind === 'wheel' ? source.files.find(({ to }) => to === onnx.path) : undefined;
  if (onnx.size === 0 || (pinned !== undefined && pinned.sha256 !== onnx.sha256)) {
    throw new RerankError(
      'model_unavailable',
      `${join(directory, onnx.path)} is damaged or half-downloaded (${onnx.size} bytes). Replace it, or remove the folder and run: rerank models pull ${name}`,
    );
  }
  const tokenizerPath = await requireTokenizer(directory);
  const traits = entry === undefined ? await inferTraits(directory, options.kind) : traitsOf(entry);
  const { path, precision, sha256 } = onnx;
  return {
    ...traits,
    name,
    precision,
    licence: entry?.licence ?? 'unknown',
    directory,
    onnxPath: join(directory, path),
    tokenizerPath,
    sha256,
  };
}

async function fromFolder(directory: string, lookup: Lookup): Promise<ResolvedModel | undefined> {
  if (!(await isDirectory(directory))) return undefined;
  const { name, preference, options, entry } = lookup;
  const record = await readRecord(directory);
  if (record === undefined) return fromPlainFolder(directory, lookup);
  if (!preference.includes(record.precision)) return undefined;
  const check = await checkRecordedFolder(directory, NO_PINS);
  if (check.state !== 'whole') {
    const problem = check.state === 'damaged' ? check.problem : 'it is gone';
    throw new RerankError(
      'model_unavailable',
      `The model in ${directory} is damaged: ${problem}. Remove the folder and run: rerank models pull ${name}`,
    );
  }
  const known = entry ?? findManifestEntry(record.name, options.manifest ?? MODEL_MANIFEST);
  return fromRecord(name, directory, record, known === undefined ? await inferTraits(directory, options.kind) : traitsOf(known));
}

async function fromPath(path: string, preference: readonly Precision[], options: ResolveOptions): Promise<ResolvedModel> {
  const directory = resolve(path);
  if (!(await isDirectory(directory))) throw new RerankError('model_not_found', `${directory} is not a folder.`);
  const model = await fromFolder(directory, { name: parseModelReference(basename(directory)).base, preference, options });
  if (model !== undefined) return model;
  throw new RerankError(
    'model_unavailable',
    `${directory} has no ONNX model of ${preference.join(', ')}. It needs model.onnx or onnx/model*.onnx, tokenizer.json and config.json.`,
  );
}

/** Names in MODELS_DIR are single path segments: a name from a client or a setting must not lead out of it. */
const isSafeName = (name: string): boolean => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name);

async function fromModelsDirectory(lookup: Lookup): Promise<ResolvedModel | undefined> {
  const { name, preference, options } = lookup;
  const { modelsDirectory } = options;
  if (modelsDirectory === undefined || !isSafeName(name)) return undefined;
  for (const folder of [...preference.map((precision) => `${name}@${precision}`), name]) {
    const model = await fromFolder(join(modelsDirectory, folder), lookup);
    if (model !== undefined) return model;
  }
  return undefined;
}

/** A model that only MODELS_DIR knows is there, but not in the precision that was asked for. */
async function refuseOtherPrecision(lookup: Lookup): Promise<void> {
  const other = await fromModelsDirectory({ ...lookup, preference: precisionPreference() });
  if (other === undefined) return;
  throw new RerankError(
    'model_unavailable',
    `${other.directory} has ${lookup.name} in ${other.precision}, not in ${lookup.preference.join(', ')}: ask for it without a precision, or add the file.`,
  );
}

async function fromCache(entry: ManifestEntry, precision: Precision, options: ResolveOptions): Promise<ResolvedModel> {
  const check = await checkPulledModel(entry, precision, options);
  if (check.state === 'whole') return fromRecord(entry.name, check.directory, check.record, traitsOf(entry));
  const command = `rerank models pull ${entry.name}@${precision}`;
  if (check.state === 'damaged')
    throw new RerankError(
      'model_unavailable',
      `The model ${entry.name} in ${check.directory} is damaged: ${check.problem}. Run: ${command}`,
    );
  if (options.pull === false)
    throw new RerankError('model_unavailable', `The model ${entry.name} (${precision}) is not on this machine. Run: ${command}`);
  return pullModel(`${entry.name}@${precision}`, options);
}

const looksLikePath = (reference: string): boolean =>
  isAbsolute(reference) || reference === '.' || reference === '..' || /^\.{1,2}\//.test(reference);

/**
 * Finds a model by name (`ms-marco-MiniLM-L-12-v2`, `cross-encoder/…`, either with `@int8`, `@fp16` or `@fp32`) or by the path of a folder,
 * and verifies it. Order: `modelsDirectory`, the cache, the source that the manifest names. A name without a precision gets the one that
 * suits `device`. The result's name is the short name, with the precision only if the caller gave one.
 *
 * @throws RerankError `model_not_found` (nobody knows it), `model_unavailable` (damaged, absent with `pull: false`, or the pull failed)
 */
export async function resolveModel(nameOrPath: string, options: ResolveOptions): Promise<ResolvedModel> {
  const reference = parseModelReference(nameOrPath);
  const wanted = reference.precision ?? options.precision;
  const preference = wanted === undefined ? precisionPreference(options.device) : [wanted];
  if (looksLikePath(nameOrPath)) return fromPath((await isDirectory(nameOrPath)) ? nameOrPath : reference.base, preference, options);
  const entry = findManifestEntry(reference.base, options.manifest ?? MODEL_MANIFEST);
  const short = entry?.name ?? reference.base;
  const lookup: Lookup = { name: short, preference, options, entry };
  let model = await fromModelsDirectory(lookup);
  if (model === undefined && entry === undefined && reference.base.includes('/') && (await isDirectory(reference.base))) {
    return fromPath(reference.base, preference, options);
  }
  if (model === undefined) {
    if (entry === undefined) await refuseOtherPrecision(lookup);
    const known = requireManifestEntry(reference.base, options);
    model = await fromCache(known, choosePrecision(known, wanted, preference), options);
  }
  return { ...model, name: reference.precision === undefined ? short : `${short}@${reference.precision}` };
}

/**
 * Makes sure that a model of the manifest is in the cache and whole, fetching it if it is not. What is already received is kept when this
 * fails or is aborted.
 *
 * @throws RerankError `model_not_found`, `model_unavailable`, `storage_full`; the signal's reason
 */
export async function pullModel(name: string, options: PullOptions): Promise<ResolvedModel> {
  const reference = parseModelReference(name);
  const entry = requireManifestEntry(reference.base, options);
  const precision = choosePrecision(entry, reference.precision ?? options.precision, precisionPreference(options.device));
  const isWhole = async (): Promise<boolean> => (await checkPulledModel(entry, precision, options)).state === 'whole';
  if (!(await isWhole())) await fetchModel(entry, precision, options, isWhole);
  const check = await checkPulledModel(entry, precision, options);
  if (check.state === 'whole') return fromRecord(entry.name, check.directory, check.record, traitsOf(entry));
  const problem = check.state === 'damaged' ? check.problem : 'it is gone';
  throw new RerankError(
    'model_unavailable',
    `The model ${entry.name} was pulled and is damaged already: ${problem}. Check the disk of ${check.directory}.`,
  );
}
