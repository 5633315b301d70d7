/** What of a WordPiece model its step needs. */
export interface WordPieceModel {
  /** Vocabulary, added tokens included. */
  readonly tokens_to_ids: ReadonlyMap<string, number>;
  readonly unk_token: string;
  /** In characters; a longer word is unknown. */
  readonly max_input_chars_per_word: number;
  readonly config: { readonly continuing_subword_prefix: string };
}

/**
 * Cuts words into the longest pieces that the vocabulary has, from the left. The library does the same, but takes each word into an array of characters and joins
 * them for each try, and most words are in the vocabulary as they are. A cut inside a surrogate pair is tried here and found in no vocabulary.
 */
export function wordPiece({ tokens_to_ids: ids, unk_token: unknown, max_input_chars_per_word: most, config }: WordPieceModel) {
  const prefix = config.continuing_subword_prefix;
  return (words: readonly string[]): string[] => {
    const tokens: string[] = [];
    for (const word of words) {
      if (word.length > most && Array.from(word).length > most) tokens.push(unknown);
      else if (ids.has(word)) tokens.push(word);
      else tokens.push(...(piecesOf(word, prefix, ids) ?? [unknown]));
    }
    return tokens;
  };
}

/** Undefined where a part of the word is in no vocabulary. */
function piecesOf(word: string, prefix: string, ids: ReadonlyMap<string, number>): string[] | undefined {
  const pieces: string[] = [];
  for (let start = 0; start < word.length;) {
    let end = word.length + 1;
    let piece: string;
    do {
      end -= 1;
      if (end === start) return undefined;
      piece = start === 0 ? word.slice(0, end) : prefix + word.slice(start, end);
    } while (!ids.has(piece));
    pieces.push(piece);
    start = end;
  }
  return pieces;
}
