import { describe, expect, it } from 'vitest';
import { splitDocuments } from './split-documents.js';

describe(splitDocuments, () => {
  it('takes a line as a document, whatever ends it', () => {
    expect(splitDocuments(' a \r\nb\rc\n\n\t\n', 'line')).toEqual(['a', 'b', 'c']);
  });

  it('keeps lines of a document together where blank lines part them', () => {
    expect(splitDocuments('a\nb\n\nc\n \t\n\n\nd\n', 'blank')).toEqual(['a\nb', 'c', 'd']);
  });

  it('finds none in nothing', () => {
    expect(splitDocuments(' \n \n', 'line')).toEqual([]);
    expect(splitDocuments('', 'blank')).toEqual([]);
  });
});
