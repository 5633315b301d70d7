import { describe, expect, it } from 'vitest';
import { takesGzip } from './send-stream.js';

describe('takesGzip', () => {
  it.each(['gzip', 'br, gzip;q=0.5', 'GZIP', '*', 'x-gzip', 'deflate;q=1, *;q=0.1'])('packs for %j', (header) => {
    expect(takesGzip(header)).toBe(true);
  });

  it.each(['', 'identity', 'br', 'gzip;q=0', '*;q=0', 'gzip;q=0, *', 'gzip;q=nonsense'])('does not pack for %j', (header) => {
    expect(takesGzip(header)).toBe(false);
  });
});
