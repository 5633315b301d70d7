import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finish } from '@rerank-fleet/core/retrieval';
import type { EncodedPairs } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import { PairEncoder } from '@rerank-fleet/worker/tokenization/pair-encoder';
import { TextTokenizer } from '@rerank-fleet/worker/tokenization/text-tokenizer';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SENTENCES } from '../support/tiny-models/multilingual-texts.js';
import { MULTILINGUAL_LAYOUTS, multilingualTokenizer, type MultilingualLayout } from '../support/tiny-models/multilingual-tokenizers.js';

const WINDOW = 128;
const QUERY = 'when to prune';

const EMOJI = ['🍎', '👩‍🚀', '👨‍👩‍👧‍👦', '🇩🇪🇫🇷', '👍🏽', '1️⃣', '🏳️‍🌈', 'e\u0301\u0302', 'が', 'か\u3099', '𠀀𠀁', 'क्षि'];
const passageArbitrary = fc
  .array(fc.tuple(fc.constantFrom(...SENTENCES, ...EMOJI), fc.constantFrom(' ', ' ', '\n\n', '\n    ', '\r\n\t\t\t', '\u3000', '')), {
    minLength: 1,
    maxLength: 24,
  })
  .map((parts) => parts.flat().join(''));

let root: string;
const encoders = new Map<MultilingualLayout, PairEncoder>();

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rerank-windows-'));
  for (const layout of MULTILINGUAL_LAYOUTS) {
    const path = join(root, `${layout}.json`);
    await writeFile(path, JSON.stringify(multilingualTokenizer(layout).file));
    encoders.set(layout, new PairEncoder(TextTokenizer.load(path), WINDOW));
  }
});

afterAll(() => rm(root, { recursive: true, force: true }));

function idsOf({ ids, lengths }: Pick<EncodedPairs, 'ids' | 'lengths'>): number[][] {
  let offset = 0;
  return Array.from(lengths, (length) => Array.from(ids.subarray(offset, (offset += length))));
}

describe.each(MULTILINGUAL_LAYOUTS)('windows of long passages with the %s layout', (layout) => {
  it('are what their spans, in code points, cut out of the passage, and hold all of it but white space', async () => {
    const encoder = encoders.get(layout)!;
    let seen = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(passageArbitrary, { minLength: 1, maxLength: 2 }), async (passages) => {
        const { windows, truncated } = await encoder.encode({ query: QUERY, passages, policy: 'chunk' }, (steps) =>
          Promise.resolve(finish(steps)),
        );
        expect(windows === undefined).toBe(!truncated.includes(1));
        if (windows === undefined) return;
        const covered = passages.map(() => 0);
        for (const [window, ids] of idsOf(windows).entries()) {
          const passage = windows.passages[window]!;
          const codePoints = Array.from(passages[passage]!);
          const [start, end] = [windows.spans[2 * window]!, windows.spans[2 * window + 1]!];
          const scored = encoder.encodePairs({ query: QUERY, passages: [codePoints.slice(start, end).join('')], policy: 'error' });
          expect(ids).toEqual(Array.from(scored.ids));
          expect(ids.length).toBeLessThanOrEqual(WINDOW);
          expect(codePoints.slice(covered[passage], start).join('').trim()).toBe('');
          expect(end).toBeGreaterThan(covered[passage]!);
          covered[passage] = end;
          seen += 1;
        }
        for (const [passage, end] of covered.entries())
          if (truncated[passage] === 1) expect(Array.from(passages[passage]!).slice(end).join('').trim()).toBe('');
      }),
      { numRuns: 60 },
    );
    expect(seen).toBeGreaterThan(50);
  });
});
