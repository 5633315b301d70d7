import { RerankError } from '../errors/index.js';
import type { Precision } from '../domain/index.js';
import { findManifestEntry, MODEL_MANIFEST, type ManifestEntry } from './manifest.js';
import type { ModelStoreOptions } from './model-options.js';

export interface ModelReference {
  /** Without the precision. */
  readonly base: string;
  readonly precision: Precision | undefined;
}

/** Splits `name@precision`. */
export function parseModelReference(reference: string): ModelReference {
  const match = /^(.+)@(int8|fp16|fp32)$/.exec(reference);
  return match?.[1] === undefined ? { base: reference, precision: undefined } : { base: match[1], precision: match[2] as Precision };
}

/** On a CPU int8 is fastest and costs no quality that shows; on a GPU it is slow. */
export function precisionPreference(device: 'cpu' | 'cuda' | 'webgpu' = 'cpu'): readonly Precision[] {
  return device === 'cpu' ? ['int8', 'fp32', 'fp16'] : ['fp16', 'fp32', 'int8'];
}

export function choosePrecision(entry: ManifestEntry, wanted: Precision | undefined, preference: readonly Precision[]): Precision {
  const chosen = wanted ?? preference.find((precision) => entry.sources[precision] !== undefined);
  if (chosen !== undefined && entry.sources[chosen] !== undefined) return chosen;
  throw new RerankError(
    'model_unavailable',
    `${entry.name} has no ${chosen ?? 'known'} file; it has ${Object.keys(entry.sources).join(', ')}.`,
  );
}

/** @throws RerankError `model_not_found` */
export function requireManifestEntry(name: string, options: ModelStoreOptions): ManifestEntry {
  const entry = findManifestEntry(name, options.manifest ?? MODEL_MANIFEST);
  if (entry !== undefined) return entry;
  throw new RerankError(
    'model_not_found',
    `No model is called ${JSON.stringify(name)}. See \`rerank models list\`, or give the path of a folder with an ONNX model.`,
  );
}
