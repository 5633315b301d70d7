import { ERROR_CATALOGUE, type ErrorCode } from '@rerank-fleet/core/errors';
import { expect } from 'vitest';

export interface ExpectedProblem {
  readonly code: ErrorCode;
  /** Of the sentence that says what is wrong and what to do. */
  readonly detail?: RegExp;
  /** Of the fields at fault, as JSON pointers. */
  readonly pointers?: readonly string[];
}

export interface ProblemBody {
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
}

/** Holds an answer to the contract's form of an error: RFC 9457 with our code, the catalogue's status, and a sentence for people. */
export async function expectProblem(response: Response, expected: ExpectedProblem): Promise<ProblemBody> {
  const text = await response.text();
  const { status, title } = ERROR_CATALOGUE[expected.code];
  expect({ status: response.status, text }).toMatchObject({ status, text: expect.stringContaining(`"code":"${expected.code}"`) as string });
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  const body = JSON.parse(text) as ProblemBody & Record<string, unknown>;
  expect(body).toMatchObject({ type: `urn:rerank-fleet:error:${expected.code}`, title, status, code: expected.code, message: body.detail });
  expect(body['instance']).toBe(response.headers.get('x-request-id'));
  expect(body.detail).toMatch(/^\S.*[.!?]$/s);
  if (expected.detail !== undefined) expect(body.detail).toMatch(expected.detail);
  if (expected.pointers !== undefined) expect(body.errors?.map(({ pointer }) => pointer)).toEqual(expected.pointers);
  return body;
}
