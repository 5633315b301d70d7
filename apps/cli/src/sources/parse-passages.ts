import { usageError } from '../exit-code.js';

/**
 * Texts to rerank: a JSON array, or one document a line; a line that is a JSON object gives its `text`, any other line is the text itself.
 *
 * @throws CliError that names the line
 */
export function parsePassages(bytes: Uint8Array, name: string): string[] {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw usageError(`${name} is not UTF-8.`);
  }
  const whole = text.trimStart().startsWith('[') ? parseJson(text) : undefined;
  if (Array.isArray(whole)) return whole.map((value, index) => textOf(value, `${name}, item ${index + 1}`));
  return text
    .split(/\r?\n/)
    .map((line, index) => ({ line, place: `${name}:${index + 1}` }))
    .filter(({ line }) => line.trim() !== '')
    .map(({ line, place }) => (line.trimStart().startsWith('{') ? textOf(parseJson(line) ?? line, place) : line));
}

function textOf(value: unknown, place: string): string {
  if (typeof value === 'string') return value;
  const text = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)['text'] : undefined;
  if (typeof text !== 'string') throw usageError(`${place}: is neither a text nor an object with "text".`);
  return text;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
