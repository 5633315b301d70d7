type Expected = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end' | 'nothing';

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const HEX_4 = /^[0-9a-fA-F]{4}$/;
const WORDS = ['true', 'false', 'null'];

/**
 * Offset of the first character that breaks JSON's grammar (RFC 8259), the text's length if it ends too early, undefined if there is
 * no fault. The engine's own messages leave the place out for short texts and quote the text, which may be private. Without
 * recursion: depth costs no stack.
 */
export function findJsonFault(text: string): number | undefined {
  const closers: string[] = [];
  let expected: Expected = 'value';
  let at = 0;
  for (;;) {
    while (' \t\n\r'.includes(text.charAt(at)) && at < text.length) at += 1;
    if (at >= text.length) return expected === 'nothing' ? undefined : at;
    const char = text.charAt(at);
    const closes: boolean =
      char === closers.at(-1) && (expected === 'value-or-end' || expected === 'key-or-end' || expected === 'comma-or-end');
    if (closes) {
      closers.pop();
      at += 1;
    } else if (expected === 'comma-or-end') {
      if (char !== ',') return at;
      expected = closers.at(-1) === '}' ? 'key' : 'value';
      at += 1;
      continue;
    } else if (expected === 'colon') {
      if (char !== ':') return at;
      expected = 'value';
      at += 1;
      continue;
    } else if (expected === 'nothing') {
      return at;
    } else if (expected === 'key' || expected === 'key-or-end') {
      if (char !== '"') return at;
      const end = endOfString(text, at);
      if (end.fault) return end.at;
      at = end.at;
      expected = 'colon';
      continue;
    } else if (char === '{' || char === '[') {
      closers.push(char === '{' ? '}' : ']');
      expected = char === '{' ? 'key-or-end' : 'value-or-end';
      at += 1;
      continue;
    } else {
      const end = endOfScalar(text, at);
      if (end.fault) return end.at;
      at = end.at;
    }
    expected = closers.length === 0 ? 'nothing' : 'comma-or-end';
  }
}

interface End {
  /** Offset after the token, or of the fault. */
  readonly at: number;
  readonly fault: boolean;
}

function endOfScalar(text: string, start: number): End {
  if (text.charAt(start) === '"') return endOfString(text, start);
  const word = WORDS.find((candidate) => text.startsWith(candidate, start));
  if (word !== undefined) return { at: start + word.length, fault: false };
  NUMBER.lastIndex = start;
  return NUMBER.test(text) ? { at: NUMBER.lastIndex, fault: false } : { at: start, fault: true };
}

function endOfString(text: string, start: number): End {
  let at = start + 1;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === '"') return { at: at + 1, fault: false };
    if (char < ' ') return { at, fault: true };
    if (char !== '\\') {
      at += 1;
      continue;
    }
    const escaped = text.charAt(at + 1);
    const isUnicode = escaped === 'u' && HEX_4.test(text.slice(at + 2, at + 6));
    if (!isUnicode && !(escaped !== '' && '"\\/bfnrt'.includes(escaped))) return { at, fault: true };
    at += isUnicode ? 6 : 2;
  }
  return { at: text.length, fault: true };
}
