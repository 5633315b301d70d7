import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkTo, parseRoute } from './route.js';

describe('an address', () => {
  it.each([
    ['', [], {}],
    ['#', [], {}],
    ['#/jobs/job_1', ['jobs', 'job_1'], {}],
    ['#/playground/search?corpus=a&query=b%3Fc', ['playground', 'search'], { corpus: 'a', query: 'b?c' }],
    ['#jobs//', ['jobs'], {}],
    ['#/%E0%A4', ['%E0%A4'], {}],
  ])('reads %j', (hash, path, query) => {
    expect(parseRoute(hash)).toEqual({ path, query });
  });

  it('is read as it was written, whatever is in it', () => {
    const text = fc.string({ minLength: 1, unit: 'grapheme' }).filter((part) => part.isWellFormed());
    fc.assert(
      fc.property(fc.array(text), text, (path, query) => {
        expect(parseRoute(linkTo(path, { query }))).toEqual({ path, query: { query } });
      }),
    );
  });

  it('leaves out what has no value', () => {
    expect(linkTo(['jobs'], { kind: '', status: undefined })).toBe('#/jobs');
  });
});
