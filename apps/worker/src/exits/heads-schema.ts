import { z } from 'zod';

/** Of files that are written. Raised with every change of what the figures mean. */
export const HEADS_VERSION = 4;

/** Versions that are read, latest first: 3 has hinges of half floats, 2 knows the pooled features alone besides, 1 has ridge heads alone. Files of others are refused. */
export const HEADS_VERSIONS = [HEADS_VERSION, 3, 2, 1] as const;

/** Since this version heads see which tokens match; those of earlier ones take the pooled features alone. */
export const FIRST_WITH_MATCHES = 3;

/** Half floats, little-endian, in base64: what rounding takes is a thousandth of what a head is off by. */
const halves = z.base64();

const ridgeSchema = z.strictObject({
  bias: z.number(),
  /** Of the features as they are: standardisation is worked in. */
  weights: halves,
});
const unitSchema = z.strictObject({ bias: z.number(), out: z.number() });
/** Each unit adds `out` times what is above zero of its weights·features + `bias`, of the features as they are. */
const halfHingeSchema = z.strictObject({ bias: z.number(), units: z.array(unitSchema.extend({ weights: halves })).min(1) });
/** A weight is its byte times the step of its block, divided by two to the power of its feature; `byte-weights.ts` has how bytes are packed. */
const byteWeights = z.strictObject({ steps: z.array(z.number()).readonly(), bytes: z.base64() });
const hingeSchema = z.strictObject({
  bias: z.number(),
  powers: z.base64(),
  units: z.array(unitSchema.extend({ weights: byteWeights })).min(1),
});
const measured = {
  layer: z.int().positive(),
  sigma: z.number().positive(),
  correlation: z.number().min(-1).max(1),
};
const ridgeHeadSchema = ridgeSchema.extend(measured);
const hingeHeadSchema = hingeSchema.extend(measured);
const halfHingeHeadSchema = halfHingeSchema.extend(measured);

const described = {
  /** sha256 of the model's own file. */
  model: z.hash('sha256'),
  width: z.int().positive(),
  /** Of what kind of texts, for people. */
  fitted_on: z.string(),
  /** When; those that come with the worker do not say. */
  fitted_at: z.iso.datetime().exactOptional(),
  pairs: z.int().positive(),
  queries: z.int().positive(),
};

export const headsFileSchema = z.discriminatedUnion('v', [
  z.strictObject({ v: z.literal(HEADS_VERSION), ...described, heads: z.array(z.union([ridgeHeadSchema, hingeHeadSchema])).min(1) }),
  z.strictObject({ v: z.literal([3, 2]), ...described, heads: z.array(z.union([ridgeHeadSchema, halfHingeHeadSchema])).min(1) }),
  z.strictObject({ v: z.literal(1), ...described, heads: z.array(ridgeHeadSchema).min(1) }),
]);

export type HeadsFile = z.infer<typeof headsFileSchema>;
export type RidgeHeadFigures = z.infer<typeof ridgeHeadSchema>;
export type HingeHeadFigures = z.infer<typeof hingeHeadSchema>;
export type HalfHingeHeadFigures = z.infer<typeof halfHingeHeadSchema>;
export type RidgeFigures = z.infer<typeof ridgeSchema>;
export type HingeFigures = z.infer<typeof hingeSchema>;
export type HalfHingeFigures = z.infer<typeof halfHingeSchema>;
export type HeadFigures = RidgeHeadFigures | HingeHeadFigures | HalfHingeHeadFigures;
/** Ridge: linear in the features. Hinges: a network of a few units. */
export type HeadKind = 'ridge' | 'hinges';

export const kindOf = (figures: HeadFigures): HeadKind => ('units' in figures ? 'hinges' : 'ridge');
