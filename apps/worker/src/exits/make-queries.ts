/** Words of a made query. */
const MOST_WORDS = 8;
const LEAST_WORDS = 2;
/** A word in more than this part of the texts says too little of one. */
const COMMON = 0.05;
const WORD = /[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu;
const DEFINITION = /^(?:the |an? )?((?:[\p{L}\p{N}'’-]+ ){1,4})(is|are|was|were) /iu;

const wordsOf = (text: string): string[] => text.toLowerCase().match(WORD) ?? [];

/**
 * Queries that somebody might have asked to find these texts, one each, for corpora without any. By turns: the words of a text that few others have, in its order; a
 * question where the text begins as a definition, which is how most English reference texts do; and the first words of a sentence. The same texts and number give
 * the same queries.
 *
 * @param count texts that are asked for, evenly taken from all
 */
export function makeQueries(texts: readonly string[], count: number): string[] {
  const spread = new Map<string, number>();
  for (const text of texts) for (const word of new Set(wordsOf(text))) spread.set(word, (spread.get(word) ?? 0) + 1);
  const step = Math.max(1, texts.length / count);
  const queries: string[] = [];
  for (let turn = 0; turn * step < texts.length && queries.length < count; turn += 1) {
    const text = texts[Math.floor(turn * step)]!;
    const made =
      (turn % 3 === 0 ? asked(text) : turn % 3 === 1 ? opening(text, turn) : undefined) ?? telling(text, spread, texts.length, turn);
    if (wordsOf(made).length >= LEAST_WORDS) queries.push(made);
  }
  return queries;
}

function asked(text: string): string | undefined {
  const [, subject, verb] = DEFINITION.exec(text) ?? [];
  return subject === undefined || verb === undefined ? undefined : `what ${verb} ${subject.trim()}`.toLowerCase();
}

/** Of the first sentence, or of the second. */
function opening(text: string, turn: number): string | undefined {
  const sentences = text.split(/(?<=[.!?])\s+/u);
  const words = wordsOf(sentences[turn % 2] ?? text);
  return words.length < MOST_WORDS ? undefined : words.slice(0, 4 + (turn % (MOST_WORDS - 3))).join(' ');
}

function telling(text: string, spread: ReadonlyMap<string, number>, texts: number, turn: number): string {
  const words = [...new Set(wordsOf(text))].filter((word) => word.length > 2);
  const rarity = (word: string): number => spread.get(word) ?? 0;
  // Words of one text alone are names and mistakes more often than what is asked for.
  const rare = words.filter((word) => rarity(word) > 1 && rarity(word) <= Math.max(2, COMMON * texts));
  const chosen = new Set(rare.sort((a, b) => rarity(a) - rarity(b)).slice(0, LEAST_WORDS + (turn % 4)));
  return wordsOf(text)
    .filter((word) => chosen.delete(word))
    .join(' ');
}
