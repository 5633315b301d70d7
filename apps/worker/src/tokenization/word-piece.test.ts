import * as library from '@huggingface/tokenizers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { wordPiece, type WordPieceModel } from './word-piece.js';

interface LibraryModel extends WordPieceModel {
  encode(words: readonly string[]): string[];
}
const { WordPiece } = library as unknown as { readonly WordPiece: new (config: object) => LibraryModel };

const VOCABULARY = ['[UNK]', 'a', 'b', 'ab', 'aba', 'bab', '##a', '##b', '##ba', '##aab', '😀', '##😀', 'a😀', 'ä', '##ä', '文'];

function modelOf(longest = 100): LibraryModel {
  const vocab = Object.fromEntries(VOCABULARY.map((token, id) => [token, id]));
  return new WordPiece({ vocab, unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: longest });
}

describe('wordPiece', () => {
  it('cuts words as the library does', () => {
    const characters = fc.constantFrom('a', 'b', '😀', 'ä', '文', 'c', '\ud83d', '\ude00');
    const words = fc.array(fc.array(characters, { minLength: 1, maxLength: 8 }).map((each) => each.join('')));
    fc.assert(
      fc.property(words, fc.integer({ min: 1, max: 9 }), (some, longest) => {
        const model = modelOf(longest);
        expect(wordPiece(model)(some)).toEqual(model.encode(some));
      }),
      { numRuns: 1_000 },
    );
  });

  it('takes the longest piece first, and a word with an unknown part as unknown', () => {
    expect(wordPiece(modelOf())(['abab', 'aba', 'ab文', 'a😀'])).toEqual(['aba', '##b', 'aba', '[UNK]', 'a😀']);
  });

  it('counts characters, not UTF-16 units, of a word that may be too long', () => {
    expect(wordPiece(modelOf(2))(['😀😀', '😀😀😀'])).toEqual(['😀', '##😀', '[UNK]']);
  });
});
