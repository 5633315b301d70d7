import { describe, expect, it } from 'vitest';
import { parsePassages } from './parse-passages.js';

const parse = (text: string) => parsePassages(Buffer.from(text), 'docs');

describe('parsePassages', () => {
  it('reads one text a line, NDJSON lines among them', () => {
    expect(parse('plain text\n\n{"text":"from json","id":"a"}\r\n{not json}\n')).toEqual(['plain text', 'from json', '{not json}']);
  });

  it('reads a JSON array of texts and objects', () => {
    expect(parse('\n["a", {"text": "b"}]')).toEqual(['a', 'b']);
  });

  it('takes a text that only begins like an array for text', () => {
    expect(parse('[1] a footnote\nmore')).toEqual(['[1] a footnote', 'more']);
  });

  it('names the line or item that has no text', () => {
    expect(() => parse('ok\n{"body":"x"}')).toThrow('docs:2: is neither');
    expect(() => parse('["ok", 5]')).toThrow('docs, item 2: is neither');
  });

  it('refuses bytes that are no UTF-8', () => {
    expect(() => parsePassages(Buffer.from([0xff]), 'docs')).toThrow('docs is not UTF-8');
  });
});
