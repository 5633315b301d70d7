import { documentSchema, type DocumentBody } from '@rerank-fleet/core/contracts';

export type ParsedDocument =
  { readonly document: DocumentBody; readonly fault?: never } | { readonly fault: string; readonly document?: never };

const KNOWN = new Set(['id', '_id', 'title', 'text', 'metadata']);

/**
 * A document from a JSON value. BEIR's `_id` is read as `id`, numbers as ids too, null as absent; fields that documents do not have become
 * metadata, where no metadata of that name is. A title without a text is the text.
 */
export function parseDocument(value: unknown): ParsedDocument {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { fault: 'is not a JSON object' };
  const row = value as Record<string, unknown>;
  const id = row['id'] ?? row['_id'];
  const others = Object.entries(row).filter(([key]) => !KNOWN.has(key));
  const given = row['metadata'] ?? undefined;
  const metadata = others.length > 0 && (given === undefined || isPlainObject(given)) ? { ...Object.fromEntries(others), ...given } : given;
  // BEIR has documents that are a title alone.
  const isTitleAlone = row['text'] === '' && typeof row['title'] === 'string' && row['title'].trim() !== '';
  const { title, text } = isTitleAlone ? { title: undefined, text: row['title'] } : row;
  const parsed = documentSchema.safeParse({
    ...optional('id', typeof id === 'number' ? String(id) : id),
    ...optional('title', title === '' ? undefined : title),
    text,
    ...optional('metadata', metadata),
  });
  if (parsed.success) return { document: parsed.data };
  const issue = parsed.error.issues[0];
  if (issue?.path[0] === 'text' && row['text'] === undefined) return { fault: 'has no "text"' };
  return { fault: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}` };
}

/** A document from one line of NDJSON. */
export function parseDocumentLine(line: string): ParsedDocument {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { fault: 'is not valid JSON' };
  }
  return parseDocument(value);
}

function optional(key: string, value: unknown): Record<string, unknown> {
  return value === undefined || value === null ? {} : { [key]: value };
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
