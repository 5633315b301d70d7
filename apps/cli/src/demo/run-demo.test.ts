import { describe, expect, it } from 'vitest';
import { curlLine } from './run-demo.js';

describe('curlLine', () => {
  it('quotes a query that holds quotes for the shell', () => {
    expect(curlLine('http://127.0.0.1:8080', { corpus: 'everyday', query: "the baker's pie" })).toBe(
      `curl -s http://127.0.0.1:8080/v1/search -H 'content-type: application/json' -d '{"corpus":"everyday","query":"the baker'\\''s pie"}'`,
    );
  });
});
