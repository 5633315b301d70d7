import { describe, expect, it } from 'vitest';
import { makeQueries } from './make-queries.js';

const TEXTS = [
  'A flea is a small insect without wings. It lives on the blood of cats and dogs, and jumps far.',
  'Most cats sleep for twelve hours a day. Old dogs sleep longer, as do kittens, and no one wakes them.',
  'The insect family has wings in most cases. Cats hunt the insect at night.',
  'Ticks are related to spiders. They live on blood, too, and so does the flea.',
];

describe(makeQueries, () => {
  it('makes one a text, of its own words, and of the beginnings of questions', () => {
    const queries = makeQueries(TEXTS, TEXTS.length);
    expect(queries[0]).toBe('what is flea');
    expect(queries).toHaveLength(4);
    for (const [at, query] of queries.entries()) {
      const words = TEXTS[at]!.toLowerCase();
      for (const word of query.replace(/^what (is|are) /, '').split(' ')) expect(words).toContain(word);
    }
  });

  it('asks two of five as a question about words of one sentence, in all the ways that it knows', () => {
    const texts = Array.from({ length: 200 }, (_, at) => `Keeper${at % 60} feeds the otter. A heron watches keeper${at % 50}.`);
    const questions = makeQueries(texts, texts.length).filter((query) => !/^(keeper|a heron)/.test(query));
    expect(questions.length).toBeGreaterThanOrEqual(60);
    const beginnings = ['what is', 'how does', 'define', 'cost of', 'is'];
    for (const beginning of beginnings) expect(questions.some((query) => query.startsWith(`${beginning} `))).toBe(true);
  });

  it('takes texts evenly, no more than are asked for, and gives the same again', () => {
    const queries = makeQueries(TEXTS, 2);
    expect(queries).toHaveLength(2);
    expect(queries).toEqual(makeQueries(TEXTS, 2));
  });

  it('makes none of what has no words', () => {
    expect(makeQueries(['…', '42', ''], 3)).toEqual([]);
  });
});
