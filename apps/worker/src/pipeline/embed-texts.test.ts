import { describe, expect, it, vi } from 'vitest';
import type { BatchScheduler } from './batch-scheduler.js';
import { TextEmbedder } from './embed-texts.js';
import type { SequenceEncoder } from './sequence-encoder.js';

const MODEL = { name: 'e', sha256: 'x', dimensions: 1, maxLength: 8, queryPrefix: 'q: ', passagePrefix: 'p: ' };

/** Each text becomes one token, its length; the model answers with it. */
function start() {
  const encodeTexts = vi.fn(async (_model: string, texts: readonly string[], prefix: string) => ({
    ids: Int32Array.from(texts, (text) => prefix.length + text.length),
    typeIds: new Uint8Array(texts.length),
    lengths: new Int32Array(texts.length).fill(1),
    truncated: new Uint8Array(texts.length),
  }));
  const countTokens = vi.fn(async (_model: string, texts: readonly string[]) => Int32Array.from(texts, (text) => text.length));
  const run = vi.fn(async (_model: string, sequences: readonly { readonly ids: Int32Array }[]) =>
    sequences.map(({ ids }) => Float32Array.from(ids)),
  );
  const encoder = { encodeTexts, countTokens } as unknown as SequenceEncoder;
  return { embedder: new TextEmbedder(MODEL, encoder, { run } as unknown as BatchScheduler), encodeTexts, countTokens, run };
}

describe('TextEmbedder', () => {
  const texts = Array.from({ length: 300 }, (_, index) => 'x'.repeat(1_000 + index));

  it('hands an upload to the tokenizer in turns, and gives one vector a text, in order', async () => {
    const { embedder, encodeTexts, run } = start();
    const vectors = await embedder.embed({ texts, as: 'passage', priority: 'batch' });
    expect(vectors.map(([length]) => length)).toEqual(texts.map(({ length }) => length + 3));
    expect(encodeTexts.mock.calls.length).toBeGreaterThan(4);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('counts in turns, in order, and takes a text that is longer than a turn by itself', async () => {
    const { embedder, countTokens } = start();
    const long = ['a', 'x'.repeat(200_000), 'b'];
    expect(await embedder.countTokens([...texts, ...long])).toEqual([...texts, ...long].map(({ length }) => length));
    expect(countTokens.mock.calls.some(([, group]) => group.length === 1 && group[0]!.length === 200_000)).toBe(true);
    expect(await embedder.countTokens([])).toEqual([]);
  });

  it('refuses a query that does not fit, which is never cut, and cuts a passage', async () => {
    const { embedder, encodeTexts, run } = start();
    const cut = { ids: Int32Array.of(1), typeIds: new Uint8Array(1), lengths: Int32Array.of(1), truncated: Uint8Array.of(1) };
    encodeTexts.mockResolvedValue(cut);
    await expect(embedder.embed({ texts: ['long'], as: 'query', priority: 'sync' })).rejects.toMatchObject({ code: 'query_too_long' });
    expect(run).not.toHaveBeenCalled();
    expect(await embedder.embed({ texts: ['long'], as: 'passage', priority: 'sync' })).toHaveLength(1);
  });

  it('tokenizes no further once nobody waits', async () => {
    const { embedder, encodeTexts } = start();
    const controller = new AbortController();
    encodeTexts.mockImplementationOnce(async () => {
      controller.abort(new Error('left'));
      return { ids: new Int32Array(0), typeIds: new Uint8Array(0), lengths: new Int32Array(0), truncated: new Uint8Array(0) };
    });
    await expect(embedder.embed({ texts, as: 'passage', priority: 'batch', signal: controller.signal })).rejects.toThrow('left');
    expect(encodeTexts).toHaveBeenCalledTimes(1);
  });
});
