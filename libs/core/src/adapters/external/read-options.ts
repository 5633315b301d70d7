import type { z } from 'zod';
import { RerankError, type FieldError } from '../../errors/index.js';

const MOST_FAULTS = 20;

/** @throws RerankError `invalid_request`, with a pointer for each fault */
export function readOptions<Schema extends z.ZodType>(schema: Schema, options: unknown): z.output<Schema> {
  const read = schema.safeParse(options);
  if (read.success) return read.data;
  throw badOptions(read.error.issues.slice(0, MOST_FAULTS).map(({ path, message }) => ({ path: path.map(String), message })));
}

export function badOptions(faults: readonly { readonly path: readonly string[]; readonly message: string }[]): RerankError {
  const errors = faults.map(({ path, message }): FieldError => ({ pointer: pointerOf(['source', 'options', ...path]), detail: message }));
  const [first] = errors;
  return new RerankError('invalid_request', `${first?.pointer ?? '/source/options'}: ${first?.detail ?? 'is not valid'}.`, { errors });
}

function pointerOf(path: readonly string[]): string {
  return path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
