import type { BatchFeatures } from '../exits/collect-samples.js';
import type { TokenSequence } from '../pipeline/batch-runner.js';

export interface FeatureCall {
  readonly sequences: readonly TokenSequence[];
}

export type FeatureMessage = 'ready' | BatchFeatures | { readonly error: string };
