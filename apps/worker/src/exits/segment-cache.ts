import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { digestFile, withFileLock } from '@rerank-fleet/core/models';
import { z } from 'zod';
import { readKept, writeKept } from '../tuning/kept-file.js';
import { cutModel, type CutModel } from './cut-model.js';
import { SEGMENTS_VERSION, type CutRefusal, type SegmentSet } from './segment-set.js';

const recordSchema = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('cut'),
    layers: z.int().positive(),
    width: z.int().positive(),
    segments: z.array(
      z.object({
        inputs: z.array(z.string()),
        output: z.string(),
        layers: z.tuple([z.int(), z.int()]),
        sha256: z.hash('sha256'),
      }),
    ),
  }),
  z.object({ outcome: z.literal('refused'), refused: z.string() }),
]);
type SegmentRecord = z.infer<typeof recordSchema>;

export interface SegmentJob {
  /** The file that would run whole: the model's own, or the faster graph of its weights. */
  readonly onnxPath: string;
  /** Ascending, from 1 to the layers less one. */
  readonly cuts: readonly number[];
  /** `…/rerank-fleet`; segments go to the folder `segments` of it, which can be deleted at any time. */
  readonly cacheDirectory: string;
}

/**
 * The segments of a model file, written by the first call for this file and these cuts: whole or not at all, by one of the processes that ask at the same
 * time. Each call reads the file and its segments through to compare their hashes; the first one also takes a few times the file in memory.
 */
export async function openSegments({ onnxPath, cuts, cacheDirectory }: SegmentJob, signal?: AbortSignal): Promise<SegmentSet | CutRefusal> {
  const { sha256: source } = await digestFile(onnxPath, undefined, signal);
  const folder = join(cacheDirectory, 'segments', `${source.slice(0, 32)}-${SEGMENTS_VERSION}-${cuts.join('_')}`);
  const known = await readIntact(folder);
  if (known !== undefined) return describe(known, { source, cuts, folder });
  const written = await withFileLock(
    `${folder}.lock`,
    async () => (await readIntact(folder)) ?? (await writeSegments(cutModel(await readFile(onnxPath), cuts), folder)),
    { signal },
  );
  return describe(written, { source, cuts, folder });
}

const recordPath = (folder: string): string => join(folder, 'segments.json');
const segmentPath = (folder: string, number: number): string => join(folder, `${number}.onnx`);

/** Undefined where there is no record, or a segment is not the one that was written. */
async function readIntact(folder: string): Promise<SegmentRecord | undefined> {
  const record = await readKept(recordPath(folder), recordSchema);
  if (record?.outcome !== 'cut') return record;
  for (const [number, { sha256 }] of record.segments.entries()) {
    const digest = await digestFile(segmentPath(folder, number)).catch(() => undefined);
    if (digest?.sha256 !== sha256) return undefined;
  }
  return record;
}

async function writeSegments(cut: CutModel | CutRefusal, folder: string): Promise<SegmentRecord> {
  const staged = `${folder}.${randomUUID()}`;
  try {
    await mkdir(staged, { recursive: true });
    const record = 'refused' in cut ? { outcome: 'refused' as const, ...cut } : await writeFiles(cut, staged);
    await writeKept(recordPath(staged), record);
    await mkdir(dirname(folder), { recursive: true });
    await rm(folder, { recursive: true, force: true });
    await rename(staged, folder);
    return record;
  } finally {
    await rm(staged, { recursive: true, force: true });
  }
}

async function writeFiles({ segments, ...model }: CutModel, folder: string): Promise<SegmentRecord> {
  const written = [];
  for (const [number, { bytes, inputs, output, layers }] of segments.entries()) {
    const path = segmentPath(folder, number);
    await writeFile(path, bytes);
    const { sha256 } = await digestFile(path);
    written.push({ inputs: [...inputs], output, layers: [...layers] as [number, number], sha256 });
  }
  return { outcome: 'cut', ...model, segments: written };
}

function describe(
  record: SegmentRecord,
  { source, cuts, folder }: { readonly source: string; readonly cuts: readonly number[]; readonly folder: string },
): SegmentSet | CutRefusal {
  if (record.outcome === 'refused') return { refused: record.refused };
  const { layers, width } = record;
  const segments = record.segments.map(({ inputs, output, layers: range }, number) => ({
    path: segmentPath(folder, number),
    inputs,
    output,
    layers: range,
  }));
  return { source, cuts, layers, width, segments };
}
