import { describe, expect, it } from 'vitest';
import { overlapOf } from './compare-versions.js';
import { queryOf, QuerySample } from './sample-queries.js';

const documents = Array.from({ length: 100 }, (_, number) => ({ id: `d${number}`, title: `title ${number}`, text: 'x', seq: 1 }));

function sampled(wanted: number, total: number): string[] {
  const sample = new QuerySample(wanted, total);
  for (let first = 0; first < documents.length; first += 7) sample.add(documents.slice(first, first + 7));
  return sample.queries;
}

describe('QuerySample', () => {
  it('takes documents that are spread evenly over the scan', () => {
    expect(sampled(4, 100)).toEqual(['title 0', 'title 25', 'title 50', 'title 75']);
  });

  it('takes each where there are fewer than asked for, and none where none is asked for', () => {
    expect(sampled(500, 100)).toHaveLength(100);
    expect(sampled(0, 100)).toEqual([]);
  });

  it('takes no more than asked for when documents came during the scan', () => {
    expect(sampled(10, 20)).toHaveLength(10);
  });
});

describe('queryOf', () => {
  it('is the title, or the first sentence', () => {
    expect(queryOf({ title: ' A heading ', text: 'Text.' })).toBe('A heading');
    expect(queryOf({ title: '  ', text: '  First one. Second one.' })).toBe('First one.');
    expect(queryOf({ text: 'No end at all' })).toBe('No end at all');
    expect(queryOf({ text: '何をしますか？はい。' })).toBe('何をしますか？');
  });

  it('is cut between words, and never inside a code point', () => {
    const query = queryOf({ text: 'word '.repeat(200) });
    expect(query.length).toBeLessThanOrEqual(160);
    expect(query.endsWith('word')).toBe(true);
    expect(Array.from(queryOf({ text: '😀'.repeat(300) }))).toEqual(Array<string>(160).fill('😀'));
  });
});

describe('overlapOf', () => {
  it('is the share of the longer list', () => {
    expect(overlapOf(['a', 'b', 'c', 'd'], ['b', 'a'])).toBe(0.5);
    expect(overlapOf(['a'], [])).toBe(0);
    expect(overlapOf(['a', 'b'], ['b', 'a'])).toBe(1);
  });

  it('is whole where neither finds anything', () => {
    expect(overlapOf([], [])).toBe(1);
  });
});
