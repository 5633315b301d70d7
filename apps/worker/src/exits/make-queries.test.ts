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
      for (const word of query.replace(/^(what is|what are|define|how does|is) /, '').split(' ')) expect(words).toContain(word);
    }
  });

  it('makes questions of rare words of one sentence, in all the ways that it knows', () => {
    const texts = Array.from({ length: 400 }, (_, at) => `Keeper${at % 120} feeds the otter. A heron watches keeper${at % 110}.`);
    const questions = makeQueries(texts, texts.length).filter((query) => !/^(keeper|a heron)/.test(query));
    expect(questions.length).toBeGreaterThanOrEqual(40);
    const beginnings = ['what is', 'how does', 'define', 'cost of', 'is'];
    for (const beginning of beginnings) expect(questions.some((query) => query.startsWith(`${beginning} `))).toBe(true);
  });

  it('makes every other one of what several texts are about: a phrase up to its small words, or words that a text repeats', () => {
    const subjects = Array.from({ length: 40 }, (_, at) => `subject${at}`);
    const texts = Array.from({ length: 400 }, (_, at) => {
      const subject = subjects[at % 40]!;
      return `Here the old${at % 37} ${subject} habit${at % 23} was seen. Then ${subject} and only${at} came by the ${subject}.`;
    });
    const topical = makeQueries(texts, texts.length).filter((_, turn) => turn % 2 === 1);
    expect(topical.filter((query) => query.includes('subject'))).toHaveLength(topical.length);
    expect(topical.some((query) => /^(\w+ )*old\d+ subject\d+ habit\d+$/.test(query))).toBe(true);
    expect(topical.filter((query) => /only|\bhere|seen|came/.test(query))).toEqual([]);
  });

  it('makes none twice', () => {
    const texts = Array.from({ length: 120 }, (_, at) => `The tide at harbour${at % 6} is high, and boats leave harbour${at % 6}.`);
    const queries = makeQueries(texts, texts.length);
    expect(new Set(queries).size).toBe(queries.length);
  });

  it('takes a sentence as it is where texts have nothing in common', () => {
    const texts = Array.from(
      { length: 30 },
      (_, at) => `Unheard${at} of${at} things${at} happen${at} to${at} nobody${at} at${at} all${at}.`,
    );
    const queries = makeQueries(texts, texts.length);
    expect(queries).toHaveLength(30);
    for (const [at, query] of queries.entries()) expect(query).toMatch(new RegExp(`^unheard${at} of${at} things${at} happen${at}`));
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
