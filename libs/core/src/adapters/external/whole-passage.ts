import type { Passage } from '../../domain/index.js';

/** A text of which nothing is known but that it is one passage. */
export function wholePassage(text: string, index = 0): Passage {
  return { index, start: 0, end: codePoints(text), text };
}

/** Without a list of them all: texts may be long. */
function codePoints(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at += text.codePointAt(at)! > 0xffff ? 2 : 1) count += 1;
  return count;
}
