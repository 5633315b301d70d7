import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { HiddenRows } from '@rerank-fleet/worker/exits/pool-features';
import type { SegmentRunner } from '@rerank-fleet/worker/exits/collect-samples';
import { HIDDEN_INPUT, type SegmentSet } from '@rerank-fleet/worker/exits/segment-set';

export interface RunningSegments extends SegmentRunner {
  release(): Promise<void>;
}

/** The segments of a model in this process, one thread each: threads that wait for each other spin, which others on the machine pay for. */
export async function startSegments(set: SegmentSet, withoutOptimizers: readonly string[] = []): Promise<RunningSegments> {
  const sessions: InferenceSession[] = [];
  for (const { path } of set.segments) sessions.push(await InferenceSession.create(path, sessionOptions(withoutOptimizers)));
  return {
    cuts: set.cuts,
    width: set.width,
    run: async ({ batch, sequence, inputIds, attentionMask, tokenTypeIds }, onHidden) => {
      const tensor = (values: BigInt64Array): Tensor => new Tensor('int64', values, [batch, sequence]);
      const feeds = new Map([
        ['input_ids', tensor(inputIds)],
        ['attention_mask', tensor(attentionMask)],
        ['token_type_ids', tensor(tokenTypeIds)],
      ]);
      for (const [number, { inputs, output }] of set.segments.entries()) {
        const results = await sessions[number]!.run(Object.fromEntries(inputs.map((name) => [name, feeds.get(name)!])));
        const made = results[output]!;
        if (number === set.cuts.length) return Float32Array.from(made.data as Float32Array);
        onHidden(number, { values: floatsOf(made), sequence, width: set.width });
        feeds.set(HIDDEN_INPUT, made);
      }
      throw new Error('The model has no last segment.');
    },
    release: async () => {
      for (const session of sessions) await session.release();
    },
  };
}

export function sessionOptions(withoutOptimizers: readonly string[]): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    intraOpNumThreads: 1,
    graphOptimizationLevel: 'all',
    ...(withoutOptimizers.length === 0 ? {} : { extra: { optimization: { disable_specified_optimizers: withoutOptimizers.join(';') } } }),
  };
}

/** Half floats come as their bits where the runtime has no class for them. */
function floatsOf({ data }: Tensor): HiddenRows['values'] {
  return data instanceof Uint16Array
    ? new Float16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length)
    : (data as Float32Array | Float16Array);
}
