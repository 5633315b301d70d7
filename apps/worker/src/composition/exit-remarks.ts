import type { Config } from '@rerank-fleet/core/config';

/** Why workers with these settings would not use heads. */
export function exitRemarks({ worker }: Config): string[] {
  return [
    ...(worker.earlyExit ? [] : ['Workers with EARLY_EXIT=false run all layers.']),
    ...(worker.deterministic ? ['Workers with DETERMINISTIC=true run all layers, but for requests with `deterministic: false`.'] : []),
  ];
}
