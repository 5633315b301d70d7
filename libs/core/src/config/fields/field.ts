import { z } from 'zod';

/** One setting: its variable, what it means, and how its text is read. The documentation pages are generated from these. */
export interface Field<Schema extends z.ZodType = z.ZodType> {
  readonly env: string;
  readonly description: string;
  /** Of the value, where it has one. */
  readonly unit?: 's' | 'ms' | 'bytes' | 'tokens' | 'threads';
  readonly secret?: boolean;
  /** Reads the variable's text; `undefined` when it is not set or empty. Holds the default and the bounds. */
  readonly schema: Schema;
}

export const field = <Schema extends z.ZodType>(definition: Field<Schema>): Field<Schema> => definition;

/** Whole numbers are digits only: `1e3`, ` 8 ` and `0x10` are refused rather than guessed. */
export const int = (min: number, max: number) =>
  z.string().regex(/^\d+$/, 'must be a whole number').transform(Number).pipe(z.int().min(min).max(max));

export const flag = z.enum(['true', 'false']).transform((text) => text === 'true');

export const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

/** @param rule what the text must be, for who got it wrong */
export function json<Schema extends z.ZodType>(rule: string, schema: Schema) {
  return z
    .string()
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue(rule);
        return z.NEVER;
      }
    })
    .pipe(schema);
}
