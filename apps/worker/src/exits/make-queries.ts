/** Words of a made query. */
const MOST_WORDS = 8;
const LEAST_WORDS = 2;
/** A word in more than this part of the texts says too little of one. */
const COMMON = 0.05;
const WORD = /[\p{L}\p{N}][\p{L}\p{N}'’-]*/gu;
const DEFINITION = /^(?:the |an? )?((?:[\p{L}\p{N}'’-]+ ){1,4})(is|are|was|were) /iu;

const wordsOf = (text: string): string[] => text.toLowerCase().match(WORD) ?? [];

/** How people begin to ask, as heads that have seen bare words alone take a question's small words for a bad sign. */
const QUESTIONS = [
  ...['what is', 'how does', 'define', 'what are', 'how to', 'why is', 'meaning of', 'what causes', 'how long is', 'difference between'],
  ...['cost of', 'who is', 'when was', 'what does', 'is', 'types of', 'how much', 'where is', 'example of', 'what is the'],
];

/** What is known of the texts that queries are made of. */
interface Texts {
  readonly count: number;
  /** Texts that have a word. */
  readonly spread: ReadonlyMap<string, number>;
}

type Made = (text: string, round: number, texts: Texts) => string | undefined;

/** By turns. Questions come twice, as they are what is asked most. */
const KINDS: readonly Made[] = [asked, opening, telling, questioned, questioned];

/**
 * Queries that somebody might have asked to find these texts, one each, for corpora without any. By turns: a question where the text begins as a definition, which is
 * how most English reference texts do; the first words of a sentence; the words of a text that few others have, in its order; and, twice, the beginning of a question with
 * such words of one sentence. The same texts and number give the same queries.
 *
 * @param count texts that are asked for, evenly taken from all
 */
export function makeQueries(texts: readonly string[], count: number): string[] {
  const spread = new Map<string, number>();
  for (const text of texts) for (const word of new Set(wordsOf(text))) spread.set(word, (spread.get(word) ?? 0) + 1);
  const known = { count: texts.length, spread };
  const step = Math.max(1, texts.length / count);
  const queries: string[] = [];
  for (let turn = 0; turn * step < texts.length && queries.length < count; turn += 1) {
    const text = texts[Math.floor(turn * step)]!;
    const round = Math.floor(turn / KINDS.length);
    const made = KINDS[turn % KINDS.length]!(text, round + (turn % KINDS.length), known) ?? telling(text, round, known);
    if (wordsOf(made).length >= LEAST_WORDS) queries.push(made);
  }
  return queries;
}

function asked(text: string): string | undefined {
  const [, subject, verb] = DEFINITION.exec(text) ?? [];
  return subject === undefined || verb === undefined ? undefined : `what ${verb} ${subject.trim()}`.toLowerCase();
}

function opening(text: string, round: number): string | undefined {
  const words = wordsOf(sentenceOf(text, round));
  return words.length < MOST_WORDS ? undefined : words.slice(0, 4 + (round % (MOST_WORDS - 3))).join(' ');
}

function telling(text: string, round: number, texts: Texts): string {
  return rarest(wordsOf(text), LEAST_WORDS + (round % 4), texts).join(' ');
}

function questioned(text: string, round: number, texts: Texts): string | undefined {
  const words = rarest(wordsOf(sentenceOf(text, round)), 1 + (round % 3), texts);
  return words.length === 0 ? undefined : `${QUESTIONS[round % QUESTIONS.length]!} ${words.join(' ')}`;
}

/** The first or the second. */
function sentenceOf(text: string, round: number): string {
  return text.split(/(?<=[.!?])\s+/u)[round % 2] ?? text;
}

/** So many words that few texts have, in their order. */
function rarest(words: readonly string[], count: number, { spread, count: texts }: Texts): string[] {
  const rarity = (word: string): number => spread.get(word) ?? 0;
  // Words of one text alone are names and mistakes more often than what is asked for.
  const rare = [...new Set(words)].filter((word) => word.length > 2 && rarity(word) > 1 && rarity(word) <= Math.max(2, COMMON * texts));
  const chosen = new Set(rare.sort((a, b) => rarity(a) - rarity(b)).slice(0, count));
  return words.filter((word) => chosen.delete(word));
}
