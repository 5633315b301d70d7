// @vitest-environment happy-dom
import { afterEach, describe, expect, it } from 'vitest';
import { doing, mount, type Mounted } from '../../test/mount.js';
import { rankingOfRerank } from './ranking.js';
import { Results } from './results.js';

const DOCUMENTS = [
  'first',
  '<img src=x onerror=alert(1)> second',
  `${'long beginning. '.repeat(30)}the best part${' and its end.'.repeat(30)}`,
];
const START = Array.from(DOCUMENTS[2]!).join('').indexOf('the best part');
const ANSWER = {
  id: 'rerank-1',
  model: 'mini',
  results: [
    { index: 2, relevance_score: 0.9, logit: 2.2, tokens: 400, best_span: { start: START, end: START + 13 } },
    { index: 1, relevance_score: 0.4, logit: -0.4, tokens: 9, truncated: true },
  ],
  truncated: [1],
  usage: { prompt_tokens: 409, total_tokens: 409 },
  timings_ms: { queue: 1, tokenize: 1, score: 8, total: 11 },
  meta: { api_version: { version: '1' }, billed_units: { search_units: 1 }, tokens: { input_tokens: 409 } },
};

let page: Mounted;
function show(): void {
  page = mount();
  page.show(<Results kind="rerank" answer={ANSWER} roundTripMs={20} ranking={rankingOfRerank(DOCUMENTS, ANSWER)} />);
}
afterEach(() => page.leave());

const lists = (): Element[] => [...page.root.querySelectorAll('.ranked')];
const entries = (list: number): Element[] => [...lists()[list]!.querySelectorAll('li')];

describe(Results, () => {
  it('shows both orders, with moves, scores and what left', () => {
    show();
    expect(entries(0).map((entry) => entry.querySelector('.move')?.textContent ?? '')).toEqual(['out', '', '']);
    expect(entries(1).map((entry) => entry.querySelector('.move')?.getAttribute('aria-label'))).toEqual(['up 2', 'unmoved']);
    expect(entries(1)[0]!.querySelector('.scores')!.textContent).toBe('0.900logit 2.20400 tokens');
    expect(entries(1)[1]!.querySelector('.scores')!.textContent).toContain('cut');
  });

  it('shows texts as texts, whatever they hold', () => {
    show();
    expect(page.root.querySelector('img')).toBeNull();
    expect(entries(1)[1]!.querySelector('.text')!.textContent).toBe(DOCUMENTS[1]);
  });

  it('marks the best window, and begins near it until the whole is asked for', () => {
    show();
    const [best] = entries(1);
    expect(best!.querySelector('mark')!.textContent).toBe('the best part');
    expect(best!.querySelector('.text')!.textContent).toMatch(/^… /);
    doing(() => best!.querySelector('button')!.click());
    expect(best!.querySelector('.text')!.textContent).toBe(DOCUMENTS[2]);
    expect(best!.querySelector('button')!.getAttribute('aria-expanded')).toBe('true');
  });

  it('points at the same document in the other list', () => {
    show();
    doing(() => void entries(1)[0]!.dispatchEvent(new MouseEvent('mouseenter')));
    expect(entries(0).map((entry) => entry.classList.contains('pointed'))).toEqual([false, false, true]);
    doing(() => void entries(1)[0]!.dispatchEvent(new MouseEvent('mouseleave')));
    expect(page.root.querySelector('.pointed')).toBeNull();
  });

  it('tells usage, timings, and that texts were cut', () => {
    show();
    const facts = page.root.querySelector('.facts')!.textContent;
    for (const text of ['modelmini', 'tokens409', 'service11 ms', 'here20 ms', 'score 8.0 ms', '1 of these texts'])
      expect(facts).toContain(text);
    expect(page.root.querySelector('[role=status]')!.textContent).toBe('2 results.');
  });
});
