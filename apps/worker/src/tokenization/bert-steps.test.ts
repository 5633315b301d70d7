import { describe, expect, it } from 'vitest';
import { bertNormalizer, bertPreTokenize } from './bert-steps.js';

describe(bertNormalizer.name, () => {
  const uncased = bertNormalizer({ clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: true });
  const cased = bertNormalizer({ clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase: false });

  it('lowers the last sigma of a word like any other', () => {
    expect(uncased('ΟΔΟΣ')).toBe('οδοσ');
  });

  it('sets ideographs apart, those beyond U+FFFF too', () => {
    expect(cased('a北\u{20000}b')).toBe('a 北  \u{20000} b');
    expect(cased('かな 한글')).toBe('かな 한글');
  });

  it('strips accents where it lowers, and only there', () => {
    expect(uncased('Ünïcodé Ế')).toBe('unicode e');
    expect(cased('Ünïcodé')).toBe('Ünïcodé');
    expect(bertNormalizer({ lowercase: false, strip_accents: true })('Ünïcodé')).toBe('Unicode');
    expect(bertNormalizer({ lowercase: true, strip_accents: false })('Ünïcodé')).toBe('ünïcodé');
  });

  it('drops control and format characters and makes every white space a space', () => {
    expect(cased('a\u0000b\u0085c\u200dd\ufffde\uf8ff')).toBe('abcde');
    expect(cased('a\tb\nc\u00a0d\u3000e')).toBe('a b c d e');
  });

  it('keeps marks and format characters that the reference’s tables do not have yet', () => {
    expect(uncased('a\u1ac0')).toBe('a\u1ac0');
    expect(cased('a\u0890')).toBe('a\u0890');
  });
});

describe(bertPreTokenize.name, () => {
  it('splits at white space and takes each punctuation mark by itself', () => {
    expect(bertPreTokenize(" it's $5.00, 東京。 ")).toEqual(['it', "'", 's', '$', '5', '.', '00', ',', '東京', '。']);
    expect(bertPreTokenize(' ')).toEqual([]);
  });
});
