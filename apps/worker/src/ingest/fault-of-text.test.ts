import { RerankError } from '@rerank-fleet/core/errors';
import { expect, it } from 'vitest';
import { isFaultOfText } from './fault-of-text.js';

it.each([
  ['a score that is no number', new RerankError('score_not_finite', 'No number.'), true],
  ['a query that the embedder has no window for', new RerankError('query_too_long', 'Long.'), true],
  ['a text that memory has no room for even alone', new RerankError('out_of_memory', 'Tight.'), true],
  ['a worker that stops', new RerankError('model_unavailable', 'It stops.'), false],
  ['an error of no catalogue', new Error('other'), false],
])('tells whether another attempt would fail as well: %s', (_, error, expected) => {
  expect(isFaultOfText(error)).toBe(expected);
});
