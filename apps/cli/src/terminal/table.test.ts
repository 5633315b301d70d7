import { describe, expect, it } from 'vitest';
import { cutToWidth, displayWidth, oneLine } from './display-width.js';
import { renderTable } from './table.js';

describe('displayWidth', () => {
  it.each([
    ['abc', 3],
    ['日本語', 6],
    ['ﾊﾝ', 2],
    ['한글', 4],
    ['é', 1],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
    ['❤️', 2],
    ['→', 1],
    ['a\u200Bb', 2],
    ['ｆｕｌｌ', 8],
  ])('counts %s as %d columns', (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });
});

describe('cutToWidth', () => {
  it('leaves what fits', () => {
    expect(cutToWidth('日本', 4)).toBe('日本');
  });

  it('never fills more columns than it may, nor halves a character', () => {
    expect(cutToWidth('日本語', 4)).toBe('日…');
    expect(cutToWidth('ab👩‍👩‍👧cd', 4)).toBe('ab…');
  });
});

describe('oneLine', () => {
  it('takes line breaks and escape sequences out of a text', () => {
    expect(oneLine(' a\n\u001b[31mred\u0007\u009b2J\u2028b ')).toBe('a [31mred 2J b');
  });
});

describe('renderTable', () => {
  const columns = [
    { title: '#', align: 'right' },
    { title: 'name', maxWidth: 8 },
    { title: 'text', stretch: true },
  ] as const;

  it('aligns wide characters and cuts the stretched column to the line', () => {
    const lines = renderTable(
      columns,
      [
        ['1', '日本', 'short'],
        ['10', 'long name here', 'x'.repeat(80)],
      ],
      40,
    ).split('\n');
    expect(lines[0]).toBe(' #  name      text');
    expect(lines[1]).toBe(' 1  日本      short');
    expect(lines[2]).toMatch(/^10 {2}long na… {2}x+…$/);
    expect(displayWidth(lines[2] ?? '')).toBe(40);
  });

  it('paints a cell after measuring it, and shows no escape sequence of a document', () => {
    const text = renderTable(columns, [['1', { text: 'a\u001b[2J', paint: (cell) => `<${cell}>` }, 'b']], 60);
    expect(text).toBe('#  name   text\n1  <a [2J>  b');
  });

  it('shares the line between two stretched columns, and gives one what the other does not need', () => {
    const two = [
      { title: 'a', stretch: true },
      { title: 'b', stretch: true },
    ] as const;
    expect(renderTable(two, [['x'.repeat(99), 'y'.repeat(99)]], 42).split('\n')[1]).toBe(`${'x'.repeat(19)}…  ${'y'.repeat(19)}…`);
    expect(renderTable(two, [['xxx', 'y'.repeat(99)]], 42).split('\n')[1]).toBe(`xxx  ${'y'.repeat(36)}…`);
  });

  it('shows titles alone for no rows', () => {
    expect(renderTable(columns, [], 40)).toBe('#  name  text');
  });
});
