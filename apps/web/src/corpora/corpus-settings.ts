import type { CorpusSettingsParameters } from '@rerank-fleet/client';

type FieldType = NonNullable<CorpusSettingsParameters['fields']>[string];

const TYPES: readonly string[] = ['keyword', 'integer', 'float', 'bool', 'datetime'] satisfies FieldType[];

/**
 * Filterable metadata keys as they are typed: `lang: keyword, year: integer`. A key alone is a keyword.
 *
 * @throws Error naming what is no type
 */
export function parseFields(text: string): Record<string, FieldType> {
  const entries = text.split(/[,\n]/).flatMap((part): [string, FieldType][] => {
    if (part.trim() === '') return [];
    const colon = part.lastIndexOf(':');
    const [name, type] = colon < 0 ? [part.trim(), 'keyword'] : [part.slice(0, colon).trim(), part.slice(colon + 1).trim()];
    if (!TYPES.includes(type)) throw new Error(`"${type}" is no type of a field; take one of ${TYPES.join(', ')}.`);
    return [[name, type as FieldType]];
  });
  return Object.fromEntries(entries);
}

export interface ChunkingValues {
  readonly mode: '' | 'none' | 'sentences';
  readonly maxTokens: string;
  readonly overlapTokens: string;
}

export const NO_CHUNKING: ChunkingValues = { mode: '', maxTokens: '', overlapTokens: '' };

/** Undefined where all is left as it is. */
export function chunkingOf({ mode, maxTokens, overlapTokens }: ChunkingValues): CorpusSettingsParameters['chunking'] {
  if (mode === '' && maxTokens === '' && overlapTokens === '') return undefined;
  return {
    ...(mode === '' ? {} : { mode }),
    ...(maxTokens === '' ? {} : { max_tokens: Number(maxTokens) }),
    ...(overlapTokens === '' ? {} : { overlap_tokens: Number(overlapTokens) }),
  };
}
