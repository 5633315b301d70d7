import { describe, expect, it } from 'vitest';
import { precompiledMap } from '../../../../test/support/tiny-models/precompiled-map.ts';
import { PrecompiledMap } from './precompiled-map.js';

describe(PrecompiledMap.name, () => {
  const map = new PrecompiledMap(precompiledMap());

  it.each([
    ['plain text stays', 'plain text stays'],
    ['ﬁne ①②③ Ⅷ ㎏ ＡＢＣ', 'fine 123 VIII kg ABC'],
    ['e\u0301te\u0301', 'été'],
    ['ｶﾞ', '\u30ab\u3099'],
    ['a\u0007b\u200bc\td', 'ab c d'],
    ['🍎 北京 עץ', '🍎 北京 עץ'],
  ])('normalizes %j', (text, normalized) => {
    expect(map.normalize(text)).toBe(normalized);
  });

  it('lets the shortest entry that begins a grapheme stand for all of it, as the reference does', () => {
    expect(map.normalize('x ﬁ\u0301 y')).toBe('x fi y');
    expect(map.normalize('a\r\nb')).toBe('a b');
  });

  it('refuses a map that is cut off', () => {
    expect(() => new PrecompiledMap(precompiledMap().slice(0, 400))).toThrow('precompiled_charsmap');
    expect(() => new PrecompiledMap('')).toThrow('precompiled_charsmap');
  });
});
