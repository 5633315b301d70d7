import type { Config } from '@rerank-fleet/core/config';
import type { ResolvedModel } from '@rerank-fleet/core/domain';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import type { Logger } from '@rerank-fleet/core/observability';
import { EXIT_MARGINS } from '../exits/exit-margins.js';
import { findExitHeads } from '../exits/find-exit-heads.js';
import { openSegmentsInProcess } from '../exits/open-segments-in-process.js';
import { readExitHeads } from '../exits/exit-heads-file.js';
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
 * seconds, later ones read what it wrote.
 */
export async function exitAtStart(
  model: ResolvedModel,
  fast: FastVariant | undefined,
  { config, log }: { readonly config: Config; readonly log: Logger },
): Promise<ModelExit | undefined> {
  if (!config.worker.earlyExit || config.worker.deterministic || model.kind !== 'cross-encoder') return undefined;
  const cacheDirectory = defaultCacheDirectory(config.models.cacheHome);
  const headsPath = findExitHeads(model.sha256, cacheDirectory);
  if (headsPath === undefined) return undefined;
  const heads = await readExitHeads(headsPath);
  const set = await openSegmentsInProcess({ onnxPath: fast?.onnxPath ?? model.onnxPath, cuts: heads.layers, cacheDirectory });
  if (set === undefined || 'refused' in set) {
    const detail = set?.refused ?? 'the process that cuts models failed';
    log.info({ model: model.name, detail }, 'The model runs whole whatever effort is asked for: it cannot be cut.');
    return undefined;
  }
  const { cuts, width, segments, layers } = set;
  const pageBytes = PAGE_TOKENS * width * Float32Array.BYTES_PER_ELEMENT;
  const capacity = Math.max(1, Math.floor((config.worker.earlyExitMemoryMb * 1_000_000) / pageBytes));
  // Touched page by page as requests need it: what is not used takes no memory.
  const memory = new SharedArrayBuffer(capacity * pageBytes);
  const marginsAt = (sigmas: number): number[] => cuts.map(() => sigmas);
  return {
    segmented: { cuts, width, segments, headsPath, memory, withoutOptimizers: fast?.withoutOptimizers ?? [] },
    pages: new StatePages(capacity),
    model: {
      sha256: model.sha256,
      layers,
      cuts,
      sigmas: cuts.map((layer) => heads.at(layer).sigma),
      margins: { balanced: marginsAt(EXIT_MARGINS.balanced), fast: marginsAt(EXIT_MARGINS.fast) },
    },
  };
}
