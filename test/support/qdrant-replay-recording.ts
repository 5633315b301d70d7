import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Metadata } from '@rerank-fleet/core/domain';

/** What a real Qdrant answered, kept beside the repository; see the README of that folder. */
const FOLDER = join(import.meta.dirname, '../../../shared/qdrant');

const isThere = existsSync(join(FOLDER, 'exchanges.json'));

/** Describes tests over the recording; where it is not there, one test says so. */
export function describeWithRecording(name: string, body: () => void): void {
  describe(name, () => {
    test('the recording is there', (context) => {
      context.skip(!isThere, 'the recorded exchanges (../shared/qdrant) are not beside this checkout');
      expect(recordedExchanges().length).toBeGreaterThan(100);
    });
    if (isThere) body();
  });
}

export interface Exchange {
  readonly name: string;
  readonly request: { readonly method: string; readonly path: string; readonly body: unknown };
  readonly response: { readonly status: number; readonly body: unknown };
}

interface SparseNumbers {
  readonly indices: readonly number[];
  readonly values: readonly number[];
}

export interface Dataset {
  readonly queries: { readonly dense: readonly (readonly number[])[]; readonly sparse: readonly SparseNumbers[] };
  readonly points: readonly {
    readonly id: string;
    readonly vector: { readonly dense: readonly number[]; readonly bm25: SparseNumbers };
    readonly payload: Metadata;
  }[];
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(join(FOLDER, file), 'utf8'));
}

export function recordedExchanges(): readonly Exchange[] {
  return read('exchanges.json') as readonly Exchange[];
}

export function recordedDataset(): Dataset {
  return read('dataset.json') as Dataset;
}
