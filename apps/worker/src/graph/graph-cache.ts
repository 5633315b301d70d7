import { join } from 'node:path';
import { digestFile } from '@rerank-fleet/core/models';
import { z } from 'zod';
import type { InferenceThreadData } from '../inference/inference-messages.js';
import { readKept, writeKept } from '../tuning/kept-file.js';

/** Raised with every change of what a rewritten graph computes, or of how it is judged; files of other versions are no longer looked at. */
export const GRAPH_VERSION = 2;

const recordSchema = z.discriminatedUnion('outcome', [
  z.object({
    v: z.literal(GRAPH_VERSION),
    outcome: z.literal('rewritten'),
    /** Of the rewritten file. */
    sha256: z.hash('sha256'),
    /** Largest difference of a sample's logit from that of the original. */
    worst: z.number().nonnegative(),
    fusedAttentions: z.int().nonnegative(),
  }),
  z.object({ v: z.literal(GRAPH_VERSION), outcome: z.enum(['unrecognised', 'discarded']), detail: z.string() }),
]);

export type GraphRecord = z.infer<typeof recordSchema>;

/** Of the original file, of the device that the rewritten one is for, and of the runtime that judged it. */
export interface GraphKey {
  readonly model: string;
  readonly device: InferenceThreadData['device'];
  readonly onnxruntime: string;
}

/** The rewritten graph of one model in the folder `graphs` of the cache, or why there is none. It can be deleted at any time. */
export class GraphCache {
  readonly onnxPath: string;
  readonly #recordPath: string;

  constructor(cacheDirectory: string, { model, device, onnxruntime }: GraphKey) {
    const path = join(cacheDirectory, 'graphs', `${model.slice(0, 32)}-${GRAPH_VERSION}-${device}-${onnxruntime}`);
    this.onnxPath = `${path}.onnx`;
    this.#recordPath = `${path}.json`;
  }

  /** Undefined where nothing is known yet, and where the file is not the one that was judged. */
  async read(): Promise<GraphRecord | undefined> {
    const record = await readKept(this.#recordPath, recordSchema);
    if (record?.outcome !== 'rewritten') return record;
    const digest = await digestFile(this.onnxPath).catch(() => undefined);
    return digest?.sha256 === record.sha256 ? record : undefined;
  }

  async write(record: GraphRecord): Promise<void> {
    await writeKept(this.#recordPath, record);
  }
}
