import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { FitSamples } from '@rerank-fleet/worker/exits/collect-samples';

interface Folder {
  readonly folder: string;
  readonly cuts: readonly number[];
  readonly width: number;
}

const featuresPath = (folder: string, cut: number): string => join(folder, `cut${cut}.f32`);

/** Samples of an earlier run: collecting them takes minutes. Undefined where a cut is missing. */
export async function readSamples({ folder, cuts, width }: Folder): Promise<FitSamples | undefined> {
  if (![join(folder, 'logits.f32'), ...cuts.map((cut) => featuresPath(folder, cut))].every(existsSync)) return undefined;
  const bytes = async (path: string): Promise<SharedArrayBuffer> => {
    const read = await readFile(path);
    const shared = new SharedArrayBuffer(read.length);
    new Uint8Array(shared).set(read);
    return shared;
  };
  const features: Float32Array[] = [];
  for (const cut of cuts) features.push(new Float32Array(await bytes(featuresPath(folder, cut))));
  const [logits, queries] = [await bytes(join(folder, 'logits.f32')), await bytes(join(folder, 'queries.i32'))];
  return { cuts, width, logits: new Float32Array(logits), queries: new Int32Array(queries), features };
}

export async function writeSamples(folder: string, { cuts, logits, queries, features }: FitSamples): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const [at, values] of features.entries()) await writeFile(featuresPath(folder, cuts[at]!), values);
  await writeFile(join(folder, 'queries.i32'), queries);
  await writeFile(join(folder, 'logits.f32'), logits);
}
