import { z } from 'zod';
import { InvariantError } from '@rerank-fleet/core/errors';

/** One element of a template: special tokens, or the place of a text. */
export type TemplatePiece =
  | { readonly kind: 'special'; readonly ids: readonly number[]; readonly typeId: number }
  | { readonly kind: 'first' | 'second'; readonly typeId: number };

/** How a model wants its texts framed; read from `post_processor` of tokenizer.json, never assumed. */
export interface Template {
  readonly single: readonly TemplatePiece[];
  readonly pair: readonly TemplatePiece[];
}

const specialToken = z.object({ SpecialToken: z.object({ id: z.string(), type_id: z.int() }) });
const sequence = z.object({ Sequence: z.object({ id: z.enum(['A', 'B']), type_id: z.int() }) });
const pieces = z.array(z.union([specialToken, sequence]));
const tokenAndId = z.tuple([z.string(), z.int()]);

const processorSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('TemplateProcessing'),
    single: pieces,
    pair: pieces,
    special_tokens: z.record(z.string(), z.object({ ids: z.array(z.int()) })),
  }),
  z.object({ type: z.literal('BertProcessing'), sep: tokenAndId, cls: tokenAndId }),
  z.object({ type: z.literal('RobertaProcessing'), sep: tokenAndId, cls: tokenAndId }),
  z.object({ type: z.literal('ByteLevel') }),
  z.object({ type: z.literal('Sequence'), processors: z.array(z.unknown()) }),
]);

const BARE: Template = {
  single: [{ kind: 'first', typeId: 0 }],
  pair: [
    { kind: 'first', typeId: 0 },
    { kind: 'second', typeId: 0 },
  ],
};

/**
 * Reads the template of a `post_processor` of tokenizer.json: TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel (adds nothing) or a
 * Sequence of these. Null means no special tokens.
 *
 * @throws ZodError for a kind that is not known
 */
export function parseTemplate(postProcessor: unknown): Template {
  if (postProcessor === null || postProcessor === undefined) return BARE;
  const processor = processorSchema.parse(postProcessor);
  switch (processor.type) {
    case 'TemplateProcessing':
      return {
        single: processor.single.map((piece) => readPiece(piece, processor.special_tokens)),
        pair: processor.pair.map((piece) => readPiece(piece, processor.special_tokens)),
      };
    case 'BertProcessing':
      return frame(processor.cls[1], [processor.sep[1]], processor.sep[1], 1);
    case 'RobertaProcessing':
      return frame(processor.cls[1], [processor.sep[1], processor.sep[1]], processor.sep[1], 0);
    case 'ByteLevel':
      return BARE;
    case 'Sequence':
      return processor.processors.map(parseTemplate).findLast((template) => template !== BARE) ?? BARE;
  }
}

function frame(start: number, between: readonly number[], end: number, secondTypeId: number): Template {
  const first = [
    { kind: 'special', ids: [start], typeId: 0 },
    { kind: 'first', typeId: 0 },
  ] as const;
  return {
    single: [...first, { kind: 'special', ids: [end], typeId: 0 }],
    pair: [
      ...first,
      { kind: 'special', ids: between, typeId: 0 },
      { kind: 'second', typeId: secondTypeId },
      { kind: 'special', ids: [end], typeId: secondTypeId },
    ],
  };
}

function readPiece(piece: z.infer<typeof pieces>[number], special: Readonly<Record<string, { ids: number[] }>>): TemplatePiece {
  if ('Sequence' in piece) return { kind: piece.Sequence.id === 'A' ? 'first' : 'second', typeId: piece.Sequence.type_id };
  const ids = special[piece.SpecialToken.id]?.ids;
  if (ids === undefined)
    throw new InvariantError(`tokenizer.json names the special token ${piece.SpecialToken.id} but gives no id for it.`);
  return { kind: 'special', ids, typeId: piece.SpecialToken.type_id };
}

export function countSpecialTokens(template: readonly TemplatePiece[]): number {
  return template.reduce((sum, piece) => sum + (piece.kind === 'special' ? piece.ids.length : 0), 0);
}

/** Where a framed text is written. */
export interface FrameTarget {
  readonly ids: Int32Array;
  readonly typeIds: Uint8Array;
  readonly offset: number;
}

/** Writes special tokens and texts in the template's order; returns the offset after the last token. */
export function writeFrame(template: readonly TemplatePiece[], target: FrameTarget, first: Int32Array, second?: Int32Array): number {
  let offset = target.offset;
  for (const piece of template) {
    const ids = piece.kind === 'special' ? piece.ids : piece.kind === 'first' ? first : second;
    if (ids === undefined) throw new InvariantError('A pair template was given one text.');
    target.ids.set(ids, offset);
    target.typeIds.fill(piece.typeId, offset, offset + ids.length);
    offset += ids.length;
  }
  return offset;
}
