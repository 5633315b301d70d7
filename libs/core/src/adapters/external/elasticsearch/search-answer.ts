import { z } from 'zod';
import type { Candidate, JsonValue, Metadata } from '../../../domain/index.js';
import { RerankError } from '../../../errors/index.js';
import { wholePassage } from '../whole-passage.js';
import { metadataFields, type ElasticsearchOptions } from './source-options.js';

const hitSchema = z.object({
  _index: z.string(),
  _id: z.string(),
  _score: z.number(),
  _source: z.record(z.string(), z.json()).optional(),
});

/** As much of an answer as is read. Parts of one, of shards that failed or in time that was over, are none. */
export const searchAnswerSchema = z.object({
  timed_out: z.literal(false, 'the search ran out of time'),
  _shards: z.object({ failed: z.literal(0, 'a shard failed') }),
  hits: z.object({ hits: z.array(hitSchema) }),
});

export const searchErrorSchema = z.object({
  error: z.object({
    type: z.string(),
    reason: z.string().nullish(),
    root_cause: z.array(z.object({ type: z.string(), reason: z.string().nullish() })).optional(),
  }),
});

export type SearchHit = z.infer<typeof hitSchema>;
type Source = Readonly<Record<string, JsonValue>>;

/**
 * Hits as candidates. Documents without a text cannot be scored and are left out.
 *
 * @throws RerankError `invalid_request` if none of several has what the options name
 */
export function candidatesOf(
  ranked: readonly { readonly hit: SearchHit; readonly score: number }[],
  options: ElasticsearchOptions,
): readonly Candidate[] {
  const read = ranked.map(({ hit, score }) => ({ score, parts: partsOf(hit, options) }));
  const found = read.flatMap(({ score, parts }) => (parts === undefined ? [] : [{ score, parts }]));
  if (found.length === 0 && ranked.length > 0) {
    const { text_field: text, id_field: id } = options;
    throw new RerankError(
      'invalid_request',
      `No document that was found has a text in "${text}"${id === '_id' ? '' : ` and an id in "${id}"`}; make the corpus with other options.`,
    );
  }
  return found.map(({ score, parts }, at) => ({ ...parts, firstStage: { score, rank: at + 1 } }));
}

function partsOf({ _id, _source: source = {} }: SearchHit, options: ElasticsearchOptions): Omit<Candidate, 'firstStage'> | undefined {
  const { id_field: idField, text_field: textField, title_field: titleField, passage_index_field: passageField } = options;
  const text = textOf(valueAt(source, textField));
  const documentId = idField === '_id' ? _id : idOf(valueAt(source, idField));
  if (text === undefined || documentId === undefined) return undefined;
  const index = passageField === undefined ? 0 : valueAt(source, passageField);
  const title = titleField === undefined ? undefined : textOf(valueAt(source, titleField));
  const metadata = metadataOf(source, options);
  return {
    documentId,
    passage: wholePassage(text, typeof index === 'number' && Number.isSafeInteger(index) && index >= 0 ? index : 0),
    ...(title === undefined ? {} : { title }),
    ...(metadata === undefined ? {} : { metadata }),
  };
}

function idOf(value: JsonValue | undefined): string | undefined {
  return (typeof value === 'string' && value !== '') || typeof value === 'number' ? String(value) : undefined;
}

/** Of a field with several values, all of them. */
function textOf(value: JsonValue | undefined): string | undefined {
  const parts = (Array.isArray(value) ? (value as readonly JsonValue[]) : [value]).filter((part) => typeof part === 'string');
  const text = parts.join('\n');
  return /\S/.test(text) ? text : undefined;
}

function metadataOf(source: Source, options: ElasticsearchOptions): Metadata | undefined {
  const fields = metadataFields(options);
  if (fields === undefined) {
    const shown = new Set([options.text_field, options.title_field]);
    const rest = Object.entries(source).filter(([key]) => !shown.has(key));
    return rest.length === 0 ? undefined : Object.fromEntries(rest);
  }
  const found = Object.entries(fields).flatMap(([key, path]) => {
    const value = valueAt(source, path);
    return value === undefined ? [] : [[key, value] as const];
  });
  return found.length === 0 ? undefined : Object.fromEntries(found);
}

/** Objects and dotted names are the same to the engine, and `_source` has what was sent. */
function valueAt(source: Source, path: string): JsonValue | undefined {
  if (Object.hasOwn(source, path)) return source[path];
  for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1)) {
    const inner = Object.hasOwn(source, path.slice(0, dot)) ? source[path.slice(0, dot)] : undefined;
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) continue;
    const value = valueAt(inner as Source, path.slice(dot + 1));
    if (value !== undefined) return value;
  }
  return undefined;
}
