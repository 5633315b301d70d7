/**
 * What onnxruntime-node does by itself: pre-tokenized, length-sorted pairs in one loop. A process of its own, told what to run over IPC, so that it and
 * the worker can take turns.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import { padBatch, type TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';

export interface BareSetup {
  readonly onnxPath: string;
  readonly tokenizerPath: string;
  readonly maxLength: number;
  readonly intraOpThreads: number;
  readonly lists: readonly { readonly query: string; readonly documents: readonly string[] }[];
}

export type BareMessage = { readonly setup: BareSetup } | { readonly run: { readonly maxBatchTokens: number } };

let session: InferenceSession | undefined;
let sequences: TokenSequence[] = [];

async function setUp({ onnxPath, tokenizerPath, maxLength, intraOpThreads, lists }: BareSetup): Promise<void> {
  session = await InferenceSession.create(onnxPath, {
    intraOpNumThreads: intraOpThreads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
  });
  const encoder = new PairEncoder(TextTokenizer.load(tokenizerPath), maxLength);
  sequences = lists.flatMap(({ query, documents }) =>
    splitSequences(encoder.encodePairs({ query, passages: documents, policy: 'truncate' })),
  );
  sequences.sort((a, b) => a.ids.length - b.ids.length);
}

async function runAll(maxBatchTokens: number): Promise<number> {
  const started = performance.now();
  for (let from = 0; from < sequences.length;) {
    let to = from + 1;
    while (to < sequences.length && sequences[to]!.ids.length * (to + 1 - from) <= maxBatchTokens) to += 1;
    const { batch, sequence, inputIds, attentionMask, tokenTypeIds } = padBatch('bare', sequences.slice(from, to));
    const shape = [batch, sequence];
    const feeds = {
      input_ids: new Tensor('int64', inputIds, shape),
      attention_mask: new Tensor('int64', attentionMask, shape),
      token_type_ids: new Tensor('int64', tokenTypeIds, shape),
    };
    await session!.run(Object.fromEntries(session!.inputNames.map((name) => [name, feeds[name as keyof typeof feeds]])));
    from = to;
  }
  return (performance.now() - started) / 1_000;
}

process.on('message', (message: BareMessage) => {
  const work =
    'setup' in message
      ? setUp(message.setup).then(() => ({ ready: true }))
      : runAll(message.run.maxBatchTokens).then((seconds) => ({ seconds }));
  work.then(
    (reply) => process.send?.(reply),
    (error: unknown) => {
      console.error(error);
      process.exit(1);
    },
  );
});
