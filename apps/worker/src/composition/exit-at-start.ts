import type { Config } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import type { Logger } from '@rerank-fleet/core/observability';
import { EXIT_MARGINS } from '../exits/exit-margins.js';
import { findExitHeads, type FoundHeads } from '../exits/find-exit-heads.js';
import { openSegmentsInProcess } from '../exits/open-segments-in-process.js';
import type { SegmentSet } from '../exits/segment-set.js';
import type { FastVariant, SegmentedModel } from '../inference/inference-messages.js';
import type { ExitModel } from '../pipeline/early-exit.js';
import { PAGE_TOKENS, StatePages } from '../pipeline/state-pages.js';

/** A model that can run in segments. */
export interface ModelExit {
  readonly segmented: SegmentedModel;
  readonly model: ExitModel;
  readonly pages: StatePages;
}

/**
 * Cuts a cross-encoder that has heads. Undefined where early exit is off, or the model has none or cannot be cut: it runs whole then. The first call for a file takes
 * seconds, later ones read what it wrote. Where `DETERMINISTIC` is the default too: a request may say otherwise.
 */
export async function exitAtStart(
  model: ResolvedModel,
  fast: FastVariant | undefined,
  { config, log }: { readonly config: Config; readonly log: Logger },
): Promise<ModelExit | undefined> {
  if (!config.worker.earlyExit || model.kind !== 'cross-encoder') return undefined;
  const cacheDirectory = defaultCacheDirectory(config.models.cacheHome);
  const onUnusable = (path: string, error: unknown): void =>
    log.warn(
      { err: error, model: model.name, path },
      'A file of heads cannot be used: fit them again with `rerank exits fit`, or remove it.',
    );
  for await (const found of findExitHeads(model.sha256, cacheDirectory, onUnusable)) {
    const { layers: cuts, width } = found.heads;
    const set = await openSegmentsInProcess({ onnxPath: fast?.onnxPath ?? model.onnxPath, cuts, cacheDirectory });
    if (set === undefined || 'refused' in set) {
      const detail = set?.refused ?? 'the process that cuts models failed';
      log.info({ model: model.name, detail }, 'The model runs whole whatever effort is asked for: it cannot be cut.');
      return undefined;
    }
    if (set.width === width) {
      const memory = statePages(width, config.worker.earlyExitMemoryMb);
      return modelExit(set, found, { memory, cacheDirectory, withoutOptimizers: fast?.withoutOptimizers ?? [] });
    }
    onUnusable(found.path, new Error(`They are for hidden states of width ${width}; those of the model have ${set.width}.`));
  }
  return undefined;
}

interface StateMemory {
  readonly memory: SharedArrayBuffer;
  readonly pages: StatePages;
}

function statePages(width: number, megabytes: number): StateMemory {
  const pageBytes = PAGE_TOKENS * width * Float32Array.BYTES_PER_ELEMENT;
  const capacity = Math.max(1, Math.floor((megabytes * 1_000_000) / pageBytes));
  // Touched page by page as requests need it: what is not used takes no memory.
  return { memory: new SharedArrayBuffer(capacity * pageBytes), pages: new StatePages(capacity) };
}

function modelExit(
  { cuts, width, segments, layers }: SegmentSet,
  { heads, file }: FoundHeads,
  { memory: { memory, pages }, ...more }: Pick<SegmentedModel, 'cacheDirectory' | 'withoutOptimizers'> & { readonly memory: StateMemory },
): ModelExit {
  const marginsAt = (sigmas: number): number[] => cuts.map(() => sigmas);
  return {
    segmented: { cuts, width, segments, heads: file, memory, ...more },
    pages,
    model: {
      sha256: file.model,
      layers,
      cuts,
      sigmas: cuts.map((layer) => heads.at(layer).sigma),
      margins: { balanced: marginsAt(EXIT_MARGINS.balanced), fast: marginsAt(EXIT_MARGINS.fast) },
    },
  };
}
