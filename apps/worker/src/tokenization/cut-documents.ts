import { passageContent, type SparseVector } from '@rerank-fleet/core/domain';
import { passageSpans, type Bm25Encoder, type CountTokens, type Pace, type PassageSpan } from '@rerank-fleet/core/retrieval';
import type { IndexingRules, PackedPassages, TextDocument } from './text-messages.js';

export interface CuttingParts {
  readonly rules: IndexingRules;
  readonly encoder: Bm25Encoder;
  readonly countTokens: CountTokens;
  readonly pace: Pace;
}

/** Cuts documents into passages and encodes each, its document's title before it, for BM25. */
export async function cutDocuments(documents: readonly TextDocument[], parts: CuttingParts): Promise<PackedPassages> {
  const { rules, encoder, countTokens, pace } = parts;
  const counts: number[] = [];
  const spans: PassageSpan[] = [];
  const vectors: SparseVector[] = [];
  for (const { title, text } of documents) {
    const found = await passageSpans(text, rules.chunking, countTokens, pace);
    counts.push(found.length);
    for (const span of found) {
      spans.push(span);
      vectors.push(await pace(encoder.encodePassageSteps(passageContent(title, text.slice(span.from, span.to)))));
    }
  }
  return {
    counts: Int32Array.from(counts),
    spans: Int32Array.from(spans.flatMap(({ from, to, start, end }) => [from, to, start, end])),
    ...packed(vectors),
  };
}

function packed(vectors: readonly SparseVector[]): Pick<PackedPassages, 'terms' | 'indices' | 'values'> {
  const terms = Int32Array.from(vectors, ({ indices }) => indices.length);
  const total = terms.reduce((sum, count) => sum + count, 0);
  const [indices, values] = [new Uint32Array(total), new Float32Array(total)];
  let offset = 0;
  for (const vector of vectors) {
    indices.set(vector.indices, offset);
    values.set(vector.values, offset);
    offset += vector.indices.length;
  }
  return { terms, indices, values };
}
