import { corpusSettingsSchema } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { idsOf } from './delete-documents.js';
import { chunkingOf, NO_CHUNKING, parseFields } from './corpus-settings.js';
import { stepsOf } from './reindex-view.js';

describe(parseFields, () => {
  it('reads names with types, a keyword where there is none', () => {
    const fields = parseFields('lang, year: integer\n price.net : float,');
    expect(fields).toEqual({ lang: 'keyword', year: 'integer', 'price.net': 'float' });
    expect(corpusSettingsSchema.parse({ fields }).fields).toEqual(fields);
  });

  it('names what is no type', () => {
    expect(() => parseFields('year: int')).toThrow('"int" is no type of a field; take one of keyword,');
  });
});

describe(chunkingOf, () => {
  it('says nothing where nothing was chosen', () => {
    expect(chunkingOf(NO_CHUNKING)).toBeUndefined();
  });

  it('says only what was chosen', () => {
    expect(chunkingOf({ ...NO_CHUNKING, maxTokens: '128' })).toEqual({ max_tokens: 128 });
  });
});

describe(idsOf, () => {
  it('takes a line as an id, once', () => {
    expect(idsOf('a\n b \n\na, c\nb')).toEqual(['a', 'b', 'a, c']);
  });
});

describe(stepsOf, () => {
  it.each([
    ['building', ['cancel']],
    ['validating', ['cancel']],
    ['ready', ['promote', 'cancel']],
    ['completed', ['rollback']],
    ['failed', []],
    ['cancelled', []],
    ['rolled_back', []],
  ] as const)('offers a reindex that is %s what the service takes: %j', (status, steps) => {
    expect(stepsOf({ status })).toEqual(steps);
  });
});
