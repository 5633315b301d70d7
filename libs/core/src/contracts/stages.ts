import { z } from 'zod';
import { mostResultsOf } from '../domain/index.js';
import { modelNameSchema } from './primitives.js';

/** Longest cascade. */
export const MAX_STAGES = 8;

export const stageSchema = z
  .strictObject({
    model: modelNameSchema.meta({ description: 'A reranker, as GET /v1/models names it, or an alias of MODEL_ALIASES.' }),
    keep: z.int().min(1).exactOptional().meta({
      description:
        'The best so many passages go on to the next stage, or come back from the last. Never above that of the stage before. Only the last stage may leave it out.',
    }),
  })
  .meta({ id: 'Stage' });

export type StageBody = z.infer<typeof stageSchema>;

/** Keeps never grow, and only the last stage may have none. Faults point into the list. */
export const stagesSchema = z
  .array(stageSchema)
  .max(MAX_STAGES, `must have at most ${MAX_STAGES} stages`)
  .superRefine((stages, context) => {
    for (const [position, { keep }] of stages.entries()) {
      const before = stages[position - 1]?.keep;
      if (keep === undefined && position < stages.length - 1) {
        context.addIssue({ code: 'custom', path: [position, 'keep'], message: 'is missing; only the last stage may leave it out' });
      } else if (keep !== undefined && before !== undefined && keep > before) {
        context.addIssue({ code: 'custom', path: [position, 'keep'], message: `must be at most ${before}, the keep of the stage before` });
      }
    }
  });

export const requestStagesSchema = stagesSchema.min(1, 'must have at least one stage').meta({
  description:
    'A cascade instead of one model: each stage scores what the one before it kept, the last one orders. All its models must be of one pool. Not together with `model`.',
  examples: [[{ model: 'light', keep: 20 }, { model: 'heavy' }]],
});

/** The rules between `stages` and its neighbours in a request. */
export function checkStages(
  request: {
    readonly model?: string | undefined;
    readonly stages?: z.infer<typeof stagesSchema> | undefined;
    readonly top_n?: number | undefined;
  },
  context: z.RefinementCtx,
): void {
  const { model, stages, top_n: topN } = request;
  if (stages === undefined) return;
  if (model !== undefined) context.addIssue({ code: 'custom', path: ['stages'], message: 'must not be sent together with model' });
  const most = mostResultsOf(stages);
  if (topN !== undefined && topN > most) {
    context.addIssue({ code: 'custom', path: ['top_n'], message: `must be at most ${most}, the last keep of stages` });
  }
}

/** How a result fared in one stage. */
export const stageScoreSchema = z
  .object({
    model: z.string(),
    logit: z.number(),
    exit_layer: z
      .int()
      .exactOptional()
      .meta({ description: 'Layers of the model after which the passage left; its logit is a prediction then.' }),
    rank: z.int().meta({ description: 'From 1, among the passages that this stage scored.' }),
  })
  .meta({ id: 'StageScore' });
