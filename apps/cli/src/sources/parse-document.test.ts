import { describe, expect, it } from 'vitest';
import { parseDocument, parseDocumentLine } from './parse-document.js';

describe('parseDocument', () => {
  it('reads a document as it is', () => {
    const document = { id: 'a', title: 'T', text: 'x', metadata: { lang: 'en' } };
    expect(parseDocument(document)).toEqual({ document });
  });

  it('reads BEIR rows: _id, and an empty title as none', () => {
    expect(parseDocument({ _id: '4983', title: '', text: 'x', metadata: {} })).toEqual({
      document: { id: '4983', text: 'x', metadata: {} },
    });
  });

  it('takes a title without a text for the text, as BEIR has such', () => {
    expect(parseDocument({ _id: '7', title: 'A title', text: '' })).toEqual({ document: { id: '7', text: 'A title' } });
    expect(parseDocument({ title: ' ', text: '' }).fault).toBe('text: must not be empty');
  });

  it('takes numbers for ids and null for absent', () => {
    expect(parseDocument({ id: 7, title: null, text: 'x', metadata: null })).toEqual({ document: { id: '7', text: 'x' } });
  });

  it('keeps other fields as metadata, under what metadata says itself', () => {
    const row = { text: 'x', url: 'u', lang: 'de', metadata: { lang: 'en' } };
    expect(parseDocument(row)).toEqual({ document: { text: 'x', metadata: { url: 'u', lang: 'en' } } });
  });

  it.each([
    ['[1]', 'is not a JSON object'],
    ['{"id":"a"}', 'has no "text"'],
    ['{"text":"  "}', 'text: must not be empty'],
    ['{"text":7}', /^text: /],
    ['{"text":"a\\u0000"}', /NUL/],
    ['{"text":"a","metadata":[]}', /^metadata: /],
    [`{"text":"a","id":"${'x'.repeat(513)}"}`, /^id: .*512/],
    ['{"text":', 'is not valid JSON'],
  ])('says what is wrong with %s', (line, fault) => {
    expect(parseDocumentLine(line).fault).toEqual(typeof fault === 'string' ? fault : (expect.stringMatching(fault) as unknown));
  });
});
