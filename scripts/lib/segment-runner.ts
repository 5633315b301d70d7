import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { cutModel } from '@rerank-fleet/worker/exits/cut-model';
import type { SegmentRunner } from '@rerank-fleet/worker/exits/collect-samples';
import { HIDDEN_INPUT, HIDDEN_OUTPUT } from '@rerank-fleet/worker/exits/segment-set';

export interface RunnerOptions {
  readonly onnxPath: string;
  readonly withoutOptimizers: readonly string[];
  readonly cuts: readonly number[];
  /** Where segments are written. */
  readonly folder: string;
}

/** A cut model in this process, on all its cores. */
export async function startSegments({ onnxPath, withoutOptimizers, cuts, folder }: RunnerOptions): Promise<SegmentRunner> {
  const cut = cutModel(await readFile(onnxPath), cuts);
  if ('refused' in cut) throw new Error(cut.refused);
  await mkdir(folder, { recursive: true });
  const sessions: InferenceSession[] = [];
  for (const [number, { bytes }] of cut.segments.entries()) {
    const path = join(folder, `${number}.onnx`);
    await writeFile(path, bytes);
    sessions.push(
      await InferenceSession.create(path, {
        executionProviders: ['cpu'],
        graphOptimizationLevel: 'all',
        // Threads that wait for each other spin, which others on this machine pay for.
        intraOpNumThreads: 1,
        extra: { optimization: { disable_specified_optimizers: withoutOptimizers.join(';') } },
      }),
    );
  }
  return {
    cuts,
    width: cut.width,
    run: async ({ batch, sequence, inputIds, attentionMask, tokenTypeIds }, onHidden) => {
      const tensor = (values: BigInt64Array): Tensor => new Tensor('int64', values, [batch, sequence]);
      const feeds: Record<string, Tensor> = {
        input_ids: tensor(inputIds),
        attention_mask: tensor(attentionMask),
        token_type_ids: tensor(tokenTypeIds),
      };
      for (const [number, session] of sessions.entries()) {
        const results = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, feeds[name]!])));
        const output = results[cut.segments[number]!.output]!;
        if (number === cuts.length) return Float32Array.from(output.data as Float32Array);
        if (cut.segments[number]!.output !== HIDDEN_OUTPUT) throw new Error('A segment gave no hidden state.');
        onHidden(number, { values: output.data as Float32Array, sequence, width: cut.width });
        feeds[HIDDEN_INPUT]?.dispose();
        feeds[HIDDEN_INPUT] = output;
      }
      throw new Error('The model gave no logits.');
    },
  };
}
