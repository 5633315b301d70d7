import { rerankRequestSchema, submitJobSchema } from '@rerank-fleet/core/contracts';
import { describe, expect, it } from 'vitest';
import { openApiDocument } from './openapi-document.js';
import { requestFields } from '../../../../test/support/request-fields.js';

const document = openApiDocument();
const fields = requestFields(document);
const where = (members: typeof fields): string[] => members.map(({ at }) => at);

/** Bodies of other services, and the body whose fields theirs may be said to stand for. */
const TRANSLATED: readonly (readonly [string, readonly string[]])[] = [
  ['CohereRerankRequest', Object.keys(rerankRequestSchema.shape)],
  ['VoyageRerankRequest', Object.keys(rerankRequestSchema.shape)],
  ['TeiRerankRequest', Object.keys(rerankRequestSchema.shape)],
  ['OpenAiFileForm', Object.keys(submitJobSchema.shape)],
  ['OpenAiBatchRequest', Object.keys(submitJobSchema.shape)],
];

describe('the fields that a client may send', () => {
  it('are found in parameters, bodies, lists, alternatives and filters', () => {
    expect(where(fields)).toEqual(
      expect.arrayContaining([
        'GET /v1/jobs ?status',
        'POST /v1/jobs ?idempotency-key',
        'PUT /v1/corpora/{name} ?name',
        'POST /v1/rerank documents.text',
        'POST /v1/search stages.keep',
        'POST /v1/search filter.must.match.except',
        'POST /v1/jobs job.webhook.secret',
        'POST /v1/admin/corpora/{name}/reindex validation.judged.relevant',
      ]),
    );
  });

  it('all say what they mean', () => {
    expect(where(fields.filter(({ description }) => !/^.{10,}[.)]$/s.test(description)))).toEqual([]);
  });

  it('say what holds without them, in the schema or in words', () => {
    const simple = fields.filter(({ type }) => ['boolean', 'integer', 'number', 'string'].includes(type ?? ''));
    const unsaid = simple.filter(
      ({ isRequired, hasDefault, description }) => !isRequired && !hasDefault && !/Default\b|Absent:|Only the last stage/.test(description),
    );
    expect(where(unsaid)).toEqual([]);
  });

  it.each(TRANSLATED)('of %s say which of our own they stand for', (schema, ours) => {
    const translated = fields.filter((field) => field.of === schema);
    expect(translated.length).toBeGreaterThan(3);
    for (const { at, description } of translated) {
      const [, named] = /^Our `([a-z_]+)`/.exec(description) ?? [];
      if (named === undefined) expect([at, description]).toEqual([at, expect.stringMatching(/^No field of ours\. /)]);
      else expect([at, ours]).toEqual([at, expect.arrayContaining([named])]);
    }
  });
});

describe('the schemas of the document', () => {
  it('all have a name that somebody gave them', () => {
    expect(Object.keys(document.components?.schemas ?? {}).filter((name) => !/^[A-Z]/.test(name))).toEqual([]);
  });
});
