/** Words of a made query. */
const MOST_WORDS = 8;
const LEAST_WORDS = 2;
/** A word in more than this part of the texts says too little of one. */
const COMMON = 0.05;
/** Texts that have a word, for it to be what several are about. */
const SHARED = 5;
/** A word in more than this part of the texts is one of the small ones, of which no phrase is made. */
const SMALL = 0.08;
const MOST_PHRASE = 4;
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

/** By turns. Every other one is about what several texts are about, as most of what people ask is: there heads learn to tell good answers from better ones. */
const KINDS: readonly Made[] = [asked, topical, questioned, topical, opening, topical, telling, topical];

/**
 * Queries that somebody might have asked to find these texts, one each, for corpora without any. Every other one has what a text is about,
 * mostly behind the beginning of a question. In between, by turns: a question where the text begins as a definition, which is how most English reference texts do; the beginning of a question
 * with words of a sentence that few texts have; the first words of a sentence; such words of the whole text, in its order. The same texts and number give the same queries.
 *
 * @param count texts that are asked for, evenly taken from all; none is made twice
 */
export function makeQueries(texts: readonly string[], count: number): string[] {
  const spread = new Map<string, number>();
  for (const text of texts) for (const word of new Set(wordsOf(text))) spread.set(word, (spread.get(word) ?? 0) + 1);
  const known = { count: texts.length, spread };
  const step = Math.max(1, texts.length / count);
  const queries = new Set<string>();
  for (let turn = 0; turn * step < texts.length && queries.size < count; turn += 1) {
    const text = texts[Math.floor(turn * step)]!;
    const round = Math.floor(turn / KINDS.length);
    const kinds = [KINDS[turn % KINDS.length]!, telling, opening];
    const query = firstOf(kinds, (make) => make(text, round + (turn % KINDS.length), known), queries);
    if (query !== undefined) queries.add(query);
  }
  return [...queries];
}

/** The first that is long enough, and not there yet. */
function firstOf(kinds: readonly Made[], makeOne: (make: Made) => string | undefined, there: ReadonlySet<string>): string | undefined {
  for (const kind of kinds) {
    const made = makeOne(kind);
    if (made !== undefined && wordsOf(made).length >= LEAST_WORDS && !there.has(made)) return made;
  }
  return undefined;
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

/** What a text is about: a phrase, or words of it. Others are about it, too, so that there is more than one good answer, as for most of what people ask. */
function topical(text: string, round: number, texts: Texts): string | undefined {
  const words = round % 2 === 0 ? phrase(text, texts) : salient(wordsOf(text), 2 + (round % 3), texts);
  if (words.length === 0) return undefined;
  return (round % 5 === 0 ? words : [QUESTIONS[round % QUESTIONS.length]!, ...words]).join(' ');
}

/** The first or the second. */
function sentenceOf(text: string, round: number): string {
  return text.split(/(?<=[.!?])\s+/u)[round % 2] ?? text;
}

/** So many words that a text says more often than others do (Spärck Jones 1972), in their order; none of a few texts alone. */
function salient(words: readonly string[], count: number, { spread, count: texts }: Texts): string[] {
  const times = new Map<string, number>();
  for (const word of words) times.set(word, (times.get(word) ?? 0) + 1);
  const shared = [...times.keys()].filter((word) => {
    const having = spread.get(word) ?? 0;
    return word.length > 2 && having >= SHARED && having <= Math.max(SHARED, COMMON * texts);
  });
  const weight = (word: string): number => times.get(word)! * Math.log(texts / spread.get(word)!);
  const chosen = new Set(shared.sort((a, b) => weight(b) - weight(a)).slice(0, count));
  return words.filter((word) => chosen.delete(word));
}

/** What the word that a text is about most stands among, up to where small words begin. */
function phrase(text: string, texts: Texts): readonly string[] {
  const words = wordsOf(text);
  const middle = words.indexOf(salient(words, 1, texts)[0] ?? '');
  if (middle < 0) return [];
  const isSmall = (at: number): boolean => (texts.spread.get(words[at] ?? '') ?? texts.count) > SMALL * texts.count;
  let [from, to] = [middle, middle + 1];
  while (to - from < MOST_PHRASE && !isSmall(from - 1)) from -= 1;
  while (to - from < MOST_PHRASE && !isSmall(to)) to += 1;
  return words.slice(from, to);
}

/** So many words that few texts have, in their order. */
function rarest(words: readonly string[], count: number, { spread, count: texts }: Texts): string[] {
  const rarity = (word: string): number => spread.get(word) ?? 0;
  // Words of one text alone are names and mistakes more often than what is asked for.
  const rare = [...new Set(words)].filter((word) => word.length > 2 && rarity(word) > 1 && rarity(word) <= Math.max(2, COMMON * texts));
  const chosen = new Set(rare.sort((a, b) => rarity(a) - rarity(b)).slice(0, count));
  return words.filter((word) => chosen.delete(word));
}
