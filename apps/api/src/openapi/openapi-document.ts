import { ERROR_CATALOGUE, RerankError, type ErrorCode } from '@rerank-fleet/core/errors';
import { cohereErrorSchema, openAiErrorSchema, problemSchema, teiErrorSchema, voyageErrorSchema } from '@rerank-fleet/core/contracts';
import { z } from 'zod';
import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi';
import { RATE_LIMIT_HEADERS } from '../admission/rate-limit-headers.js';
import { describeInDialect } from '../compat/error-dialects.js';
import { describeProblem } from '../http/problem.js';
import { VERSION } from '../version.js';
import { codesOf, type ErrorForm, type Operation } from './operation.js';
import { OPERATIONS } from './operations.js';

export type OpenApiDocument = ReturnType<typeof createDocument>;

const TAGS: Readonly<Record<Operation['tag'], string>> = {
  rerank: 'Documents that the caller sends along.',
  compat: 'Routes that clients of other services call; errors have those services’ forms.',
  search: 'Documents that were put in before.',
  corpora: 'Named sets of documents.',
  jobs: 'Work that goes on after the answer.',
  models: 'What the workers hold.',
  keys: 'Who asks, and what their key allows.',
  admin: 'The fleet, for its operators.',
  health: 'For probes.',
};

const ERROR_SCHEMAS: Readonly<Record<ErrorForm, z.ZodType>> = {
  problem: problemSchema,
  cohere: cohereErrorSchema,
  openai: openAiErrorSchema,
  tei: teiErrorSchema,
  voyage: voyageErrorSchema,
};
const EXAMPLE_ID = '7c1c8f0e-7f0c-4c58-b6b4-6c7b2f1f7d0a';

/** The document, made from the schemas that validate. */
export function openApiDocument(): OpenApiDocument {
  const paths: ZodOpenApiPathsObject = {};
  for (const operation of OPERATIONS) paths[operation.path] = { ...paths[operation.path], [operation.method]: describe(operation) };
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'rerank-fleet',
      version: VERSION,
      description:
        'Reranks and searches with cross-encoders. Errors are RFC 9457 problems with a stable `code`; docs/errors.md says what to do about each. Every answer has `X-Request-Id`. Bodies may be gzip.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    components: {
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A key of API_KEYS, or one made by POST /v1/admin/keys. Not needed on a server that is bound to loopback without keys.',
        },
      },
    },
    paths,
  });
}

function describe(operation: Operation): ZodOpenApiOperationObject {
  const { body, params, scope } = operation;
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    description:
      [
        operation.description,
        scope === undefined
          ? undefined
          : `Needs the scope ${[scope]
              .flat()
              .map((each) => `\`${each}\``)
              .join(' or ')}.`,
      ]
        .filter(Boolean)
        .join(' ') || operation.summary,
    security: scope === undefined ? [] : [{ apiKey: [] }],
    ...(params === undefined
      ? {}
      : {
          requestParams: {
            ...(params.path && { path: params.path }),
            ...(params.query && { query: params.query }),
            ...(params.header && { header: params.header }),
          },
        }),
    ...(body === undefined ? {} : { requestBody: { required: body.required, content: contentOf(body.content) } }),
    responses: { ...answersOf(operation), ...errorsOf(operation) },
  };
}

function contentOf(content: Readonly<Record<string, z.ZodType>>): Record<string, { schema: z.ZodType }> {
  return Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }]));
}

type Responses = ZodOpenApiOperationObject['responses'];

/** `X-Request-Id` is on every answer, so that a report can name it. */
const HEADERS = z.object({
  'X-Request-Id': z.string().meta({ description: 'The id of the request: the one that was sent, or a new one.' }),
});

/** Where waiting helps. */
const RETRY_HEADERS = z.object({
  'Retry-After': z.int().optional().meta({ description: 'Seconds after which the same call is expected to be taken.' }),
});

function headersOf({ metered }: Pick<Operation, 'metered'>, status: string | number): z.ZodObject {
  const told = metered === true ? HEADERS.extend(RATE_LIMIT_HEADERS.partial().shape) : HEADERS;
  return ['429', '503'].includes(String(status)) ? told.extend(RETRY_HEADERS.shape) : told;
}

function answersOf({ answers, metered = false }: Operation): Responses {
  return Object.fromEntries(
    Object.entries(answers).map(([status, { description, schema, type = 'application/json' }]) => [
      status,
      { description, headers: headersOf({ metered }, status), ...(schema === undefined ? {} : { content: { [type]: { schema } } }) },
    ]),
  );
}

/** One response a status, with an example for each code, in each form that the route answers in. */
function errorsOf(operation: Operation): Responses {
  const { answers, errorForms = ['problem'], metered = false } = operation;
  const codes = codesOf(operation);
  const examples = errorForms.flatMap((form) => codes.map((code) => ({ form, code, ...exampleOf(form, code) })));
  const byStatus = Map.groupBy(examples, ({ status }) => status);
  const entries = [...byStatus].filter(([status]) => !Object.hasOwn(answers, status)).sort(([a], [b]) => a - b);
  return Object.fromEntries(
    entries.map(([status, members]) => [
      String(status),
      {
        description: [...new Set(members.map(({ code }) => `\`${code}\`: ${ERROR_CATALOGUE[code].title}.`))].join(' '),
        headers: headersOf({ metered }, status),
        content: Object.fromEntries(
          [...Map.groupBy(members, ({ form }) => form)].map(([form, ofForm]) => [
            form === 'problem' ? 'application/problem+json' : 'application/json',
            { schema: ERROR_SCHEMAS[form], examples: Object.fromEntries(ofForm.map(({ code, body }) => [code, { value: body }])) },
          ]),
        ),
      },
    ]),
  );
}

function exampleOf(form: ErrorForm, code: ErrorCode): { readonly status: number; readonly body: unknown } {
  const error = new RerankError(code, `${ERROR_CATALOGUE[code].title}.`);
  return form === 'problem' ? describeProblem(error, EXAMPLE_ID) : describeInDialect(form, error, EXAMPLE_ID);
}
