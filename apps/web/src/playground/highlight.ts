export interface Span {
  /** Unicode code points, the end exclusive. */
  readonly start: number;
  readonly end: number;
}

export interface Highlighted {
  readonly before: string;
  readonly marked: string;
  readonly after: string;
}

/** Parts of a text around a span of code points. Without one, or one outside the text, nothing is marked. */
export function highlight(text: string, span: Span | undefined): Highlighted {
  const plain = { before: text, marked: '', after: '' };
  if (span === undefined) return plain;
  const points = Array.from(text);
  const start = Math.max(0, span.start);
  const end = Math.min(points.length, span.end);
  // A mark over everything says nothing.
  if (start >= end || (start === 0 && end === points.length)) return plain;
  return { before: points.slice(0, start).join(''), marked: points.slice(start, end).join(''), after: points.slice(end).join('') };
}
