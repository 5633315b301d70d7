import { z } from 'zod';

/** Raised with every change of what the figures mean; files of other versions are refused. */
export const HEADS_VERSION = 1;

/** Half floats, little-endian, in base64: what rounding takes is a thousandth of what a head is off by. */
const halves = z.base64();

const headSchema = z.strictObject({
  layer: z.int().positive(),
  sigma: z.number().positive(),
  correlation: z.number().min(-1).max(1),
  bias: z.number(),
  /** Of the features as they are: standardisation is worked in. */
  weights: halves,
});

export const headsFileSchema = z.strictObject({
  v: z.literal(HEADS_VERSION),
  /** sha256 of the model's own file. */
  model: z.hash('sha256'),
  width: z.int().positive(),
  /** Of what kind of texts, for people. */
  fitted_on: z.string(),
  /** When; those that come with the worker do not say. */
  fitted_at: z.iso.datetime().exactOptional(),
  pairs: z.int().positive(),
  queries: z.int().positive(),
  heads: z.array(headSchema).min(1),
});

export type HeadsFile = z.infer<typeof headsFileSchema>;
export type HeadFigures = HeadsFile['heads'][number];
