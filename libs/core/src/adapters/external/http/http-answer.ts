import { z } from 'zod';
import type { Candidate } from '../../../domain/index.js';
import { wholePassage } from '../whole-passage.js';

const candidateSchema = z.object({
  document_id: z.string().min(1).max(512),
  text: z.string().regex(/\S/, 'must not be blank'),
  title: z.string().nullish(),
  passage: z
    .object({ index: z.int().min(0), start: z.int().min(0), end: z.int().min(0) })
    .refine(({ start, end }) => start <= end, 'start must not be above end')
    .nullish(),
  score: z.number(),
  metadata: z.record(z.string(), z.json()).nullish(),
});

/** What a retriever answers; keys that are not known are passed over. */
export const httpAnswerSchema = z.object({ candidates: z.array(candidateSchema) });

/** In the order of the answer, which is the ranking; of a passage that comes twice, the first. */
export function candidatesOf({ candidates }: z.infer<typeof httpAnswerSchema>, limit: number): readonly Candidate[] {
  const seen = new Set<string>();
  const distinct = candidates.filter(({ document_id: id, passage }) => {
    const key = `${String(passage?.index ?? 0)} ${id}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
  return distinct.slice(0, limit).map(({ document_id: documentId, text, title, passage, score, metadata }, at) => ({
    documentId,
    passage: passage === undefined || passage === null ? wholePassage(text) : { ...passage, text },
    ...(title === undefined || title === null ? {} : { title }),
    ...(metadata === undefined || metadata === null ? {} : { metadata }),
    firstStage: { score, rank: at + 1 },
  }));
}
