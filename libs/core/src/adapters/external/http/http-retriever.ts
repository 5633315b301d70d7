import { z } from 'zod';
import type { RetrieverConnection } from '../../../config/index.js';
import type { Candidate, CorpusVersion } from '../../../domain/index.js';
import { RerankError } from '../../../errors/index.js';
import type { FirstStageRequest } from '../../../ports/index.js';
import { JsonPoster } from '../json-poster.js';
import { readOptions } from '../read-options.js';
import { brokenAnswer, refusedAnswer } from '../refused-answer.js';
import type { Retriever, SourceOptions } from '../retriever.js';
import { tracingHeaders } from '../tracing-headers.js';
import { candidatesOf, httpAnswerSchema } from './http-answer.js';

const MAX_PARAMETERS_CHARACTERS = 16_384;

const optionsSchema = z.strictObject({
  embed_query: z.boolean().default(false),
  filters: z.boolean().default(false),
  parameters: z
    .record(z.string(), z.json())
    .refine(
      (value) => JSON.stringify(value).length <= MAX_PARAMETERS_CHARACTERS,
      `is longer than ${MAX_PARAMETERS_CHARACTERS} characters of JSON`,
    )
    .optional(),
});

/** A service of the operator's that speaks the protocol of docs/retrievers.md. */
export class HttpRetriever implements Retriever {
  readonly #connection: RetrieverConnection;
  readonly #poster: JsonPoster;

  constructor(connection: RetrieverConnection) {
    this.#connection = connection;
    this.#poster = new JsonPoster(connection);
  }

  settle(options: SourceOptions): SourceOptions {
    return readOptions(optionsSchema, options) as SourceOptions;
  }

  async retrieve(options: SourceOptions, version: CorpusVersion, request: FirstStageRequest): Promise<readonly Candidate[]> {
    const { filters, parameters } = readOptions(optionsSchema, options);
    const { query, mode, limit, dense, filter, requestId, signal } = request;
    if (filter !== undefined && !filters) {
      throw new RerankError('invalid_request', `The first stage "${this.#connection.name}" of this corpus takes no filters.`, {
        errors: [{ pointer: '/filter', detail: 'is nothing that the first stage of this corpus takes ("filters" of its source)' }],
      });
    }
    const { status, json } = await this.#poster.post({
      path: '',
      body: {
        query,
        mode,
        top_k: limit,
        corpus: version.corpus,
        tenant: version.tenant,
        ...(filter === undefined ? {} : { filter }),
        ...(dense === undefined ? {} : { vector: [...dense] }),
        ...(parameters === undefined ? {} : { parameters }),
        ...(requestId === undefined ? {} : { request_id: requestId }),
      },
      headers: tracingHeaders(request, 'x-request-id'),
      ...(signal === undefined ? {} : { signal }),
    });
    if (status !== 200)
      throw refusedAnswer(this.#connection, { status, said: messageOf(json), missing: `The corpus behind "${version.corpus}"` });
    const read = httpAnswerSchema.safeParse(json);
    if (read.success) return candidatesOf(read.data, limit);
    const [issue] = read.error.issues;
    throw brokenAnswer(this.#connection, `${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`.trim(), read.error);
  }

  close(): void {
    this.#poster.close();
  }
}

function messageOf(json: unknown): string | undefined {
  const read = z.object({ message: z.string() }).safeParse(json);
  return read.success ? read.data.message : undefined;
}
