import { describe, expect, it } from 'vitest';
import { RerankError } from '../errors/index.js';
import { describeError } from './describe-error.js';

describe(describeError, () => {
  const fault = new RerankError('internal_error', 'The model failed.', { cause: 'Gather: index out of bounds' });

  it('tells a cause in words, also that of a cause', () => {
    const told = { message: 'internal_error: The model failed.', code: 'internal_error', cause: 'Gather: index out of bounds' };
    expect(describeError(fault)).toMatchObject(told);
    expect(describeError(new Error('outer', { cause: fault }))).toMatchObject({ cause: told.cause });
  });

  it('tells a cause that is an error in the stack, as ever', () => {
    const told = describeError(new Error('outer', { cause: new Error('inner') }));
    expect(told).toMatchObject({ stack: expect.stringContaining('caused by: Error: inner') as string });
    expect(told).not.toHaveProperty('cause');
  });

  it('leaves what is no error as it is', () => {
    expect(describeError('no')).toBe('no');
  });
});
