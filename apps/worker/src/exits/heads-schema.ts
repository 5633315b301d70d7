import { z } from 'zod';

/** Of files that are written. Raised with every change of what the figures mean. */
export const HEADS_VERSION = 3;

/** Versions that are read, latest first: 2 knows the pooled features alone, 1 has ridge heads alone besides. Files of others are refused. */
export const HEADS_VERSIONS = [HEADS_VERSION, 2, 1] as const;

/** Half floats, little-endian, in base64: what rounding takes is a thousandth of what a head is off by. */
const halves = z.base64();

const ridgeSchema = z.strictObject({
  bias: z.number(),
  /** Of the features as they are: standardisation is worked in. */
  weights: halves,
});
const hingeSchema = z.strictObject({
  bias: z.number(),
  /** Each adds `out` times what is above zero of `weights`·features + `bias`, of the features as they are. */
  units: z.array(z.strictObject({ weights: halves, bias: z.number(), out: z.number() })).min(1),
});
const measured = {
  layer: z.int().positive(),
  sigma: z.number().positive(),
  correlation: z.number().min(-1).max(1),
};
const ridgeHeadSchema = ridgeSchema.extend(measured);
const hingeHeadSchema = hingeSchema.extend(measured);
const headSchema = z.union([ridgeHeadSchema, hingeHeadSchema]);

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
  z.strictObject({ v: z.literal([HEADS_VERSION, 2]), ...described, heads: z.array(headSchema).min(1) }),
  z.strictObject({ v: z.literal(1), ...described, heads: z.array(ridgeHeadSchema).min(1) }),
]);

export type HeadsFile = z.infer<typeof headsFileSchema>;
export type RidgeHeadFigures = z.infer<typeof ridgeHeadSchema>;
export type HingeHeadFigures = z.infer<typeof hingeHeadSchema>;
export type RidgeFigures = z.infer<typeof ridgeSchema>;
export type HingeFigures = z.infer<typeof hingeSchema>;
export type HeadFigures = z.infer<typeof headSchema>;
/** Ridge: linear in the features. Hinges: a network of a few units. */
export type HeadKind = 'ridge' | 'hinges';

export const kindOf = (figures: HeadFigures): HeadKind => ('units' in figures ? 'hinges' : 'ridge');
