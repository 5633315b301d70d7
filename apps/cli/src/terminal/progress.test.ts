import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProgress, formatCount, plural, rateMeter } from './progress.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const written = (stream: PassThrough) => String(stream.read() ?? '');

describe('createProgress', () => {
  it('writes a plain line from time to time in a pipe, and none for short work', () => {
    const stream = new PassThrough();
    const progress = createProgress('sending', stream, false);
    progress.update(1, 4, '1 document');
    expect(written(stream)).toBe('');
    vi.advanceTimersByTime(5_000);
    progress.update(2, 4, '2 documents');
    progress.update(3, 4, '3 documents');
    progress.stop();
    expect(written(stream)).toBe('sending: 50%, 2 documents\n');
  });

  it('leaves the share out where the total is not known', () => {
    const stream = new PassThrough();
    const progress = createProgress('sending', stream, false);
    vi.advanceTimersByTime(5_000);
    progress.update(2, undefined, '2 documents');
    expect(written(stream)).toBe('sending: 2 documents\n');
  });

  it('writes nothing when quiet', () => {
    const stream = Object.assign(new PassThrough(), { isTTY: true });
    const progress = createProgress('sending', stream, true);
    vi.advanceTimersByTime(5_000);
    progress.update(1, 2, 'x');
    progress.stop();
    expect(written(stream)).toBe('');
  });
});

describe('rateMeter', () => {
  it('gives events a second since it was made', () => {
    const rate = rateMeter();
    vi.advanceTimersByTime(2_000);
    expect([rate(10), rate(5_000)]).toEqual(['5/s', '2,500/s']);
  });
});

describe('formatCount and plural', () => {
  it('separate thousands, and keep a decimal only of small counts', () => {
    expect([formatCount(1234567), formatCount(2.5), formatCount(12.5)]).toEqual(['1,234,567', '2.5', '13']);
    expect([plural(1, 'document'), plural(0, 'document'), plural(2, 'was', 'were')]).toEqual(['1 document', '0 documents', '2 were']);
  });
});
