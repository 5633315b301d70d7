export type Separator = 'line' | 'blank';

/** Documents of a pasted text: one a line, or paragraphs with blank lines between. Blank ones are none. */
export function splitDocuments(text: string, separator: Separator): string[] {
  const parts = text.replaceAll(/\r\n?/g, '\n').split(separator === 'line' ? '\n' : /\n[^\S\n]*\n+/);
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}
