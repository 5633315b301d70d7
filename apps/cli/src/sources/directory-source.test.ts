import { describe, expect, it } from 'vitest';
import { titleOf } from './directory-source.js';

describe('titleOf', () => {
  it.each([
    ['a/guide.md', '# Pruning #\ntext', 'Pruning'],
    ['a/guide.md', 'intro\n\n### Deep heading\n# Later', 'Deep heading'],
    ['a/guide.md', 'Setext\n======\ntext', 'Setext'],
    ['a/guide.md', '---\ntitle: x\n---\n# After front matter', 'After front matter'],
    ['a/guide.md', '```\n# a comment in code\n```\n# Real', 'Real'],
    ['a/guide.md', 'no heading, #hashtag', 'guide'],
    ['a/notes.txt', '# not Markdown', 'notes'],
  ])('of %s with %j is %s', (path, text, title) => {
    expect(titleOf(path, text)).toBe(title);
  });
});
