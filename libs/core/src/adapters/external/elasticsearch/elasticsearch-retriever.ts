import type { RetrieverConnection } from '../../../config/index.js';
import type { Candidate, CorpusVersion } from '../../../domain/index.js';
import { RerankError } from '../../../errors/index.js';
import type { FirstStageRequest } from '../../../ports/index.js';
import { reciprocalRankFusion } from '../../../retrieval/index.js';
import { JsonPoster, type JsonAnswer } from '../json-poster.js';
import { badOptions, readOptions } from '../read-options.js';
import { brokenAnswer, refusedAnswer } from '../refused-answer.js';
import type { Retriever, SourceOptions } from '../retriever.js';
import { tracingHeaders } from '../tracing-headers.js';
import { candidatesOf, searchAnswerSchema, searchErrorSchema, type SearchHit } from './search-answer.js';
import { searchBodies, type SearchBody } from './search-bodies.js';
import { fitsPattern, sourceOptionsSchema, type ElasticsearchOptions } from './source-options.js';

const WINDOW_TOO_SMALL = /result window is too large/i;

/** An index of an Elasticsearch or OpenSearch cluster: BM25 by its own analysis, nearest neighbours, or both, fused here. */
export class ElasticsearchRetriever implements Retriever {
  readonly #connection: RetrieverConnection;
  readonly #poster: JsonPoster;

  constructor(connection: RetrieverConnection) {
    this.#connection = connection;
    this.#poster = new JsonPoster(connection);
  }

  settle(options: SourceOptions): SourceOptions {
    return this.#read(options) as unknown as SourceOptions;
  }

  async retrieve(options: SourceOptions, _version: CorpusVersion, request: FirstStageRequest): Promise<readonly Candidate[]> {
    const settled = this.#read(options);
    const bodies = searchBodies(this.#connection.kind, settled, request);
    const failed = new AbortController();
    const signal = request.signal === undefined ? failed.signal : AbortSignal.any([request.signal, failed.signal]);
    // Where one search fails, the other is of no use.
    const lists = await Promise.all(
      bodies.map((body) =>
        this.#search(settled, body, { ...request, signal }).catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
    return candidatesOf(ranked(lists).slice(0, request.limit), settled);
  }

  close(): void {
    this.#poster.close();
  }

  /** Read anew each time: what was allowed when the corpus was made may not be any more. */
  #read(options: SourceOptions): ElasticsearchOptions {
    const read = readOptions(sourceOptionsSchema, options);
    const { indices } = this.#connection;
    if (indices === undefined || fitsPattern(read.index, indices)) return read;
    throw badOptions([{ path: ['index'], message: `must fit one of ${indices.map((pattern) => `"${pattern}"`).join(', ')}` }]);
  }

  async #search({ index }: ElasticsearchOptions, body: SearchBody, request: FirstStageRequest): Promise<readonly SearchHit[]> {
    const { timeoutMs } = this.#connection;
    const answer = await this.#poster.post({
      path: `/${encodeURIComponent(index)}/_search?allow_partial_search_results=false&timeout=${timeoutMs}ms`,
      body,
      headers: tracingHeaders(request, 'x-opaque-id'),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
    if (answer.status !== 200) throw this.#refusal(answer, index);
    const read = searchAnswerSchema.safeParse(answer.json);
    if (read.success) return read.data.hits.hits;
    const [issue] = read.error.issues;
    throw brokenAnswer(this.#connection, `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`, read.error);
  }

  #refusal({ status, json }: JsonAnswer, index: string): RerankError {
    const read = searchErrorSchema.safeParse(json);
    const { type, reason } = read.data?.error.root_cause?.[0] ?? read.data?.error ?? {};
    const said = [type, reason].filter((part) => part !== undefined && part !== null).join(': ');
    if (status === 400 && WINDOW_TOO_SMALL.test(said)) {
      const detail = `must not be above index.max_result_window of the index "${index}"`;
      return new RerankError('invalid_request', `/top_k ${detail}.`, { errors: [{ pointer: '/top_k', detail }] });
    }
    return refusedAnswer(this.#connection, { status, said, missing: `The index "${index}" of this corpus` });
  }
}

/** One list as it came, several fused. */
function ranked(lists: readonly (readonly SearchHit[])[]): readonly { readonly hit: SearchHit; readonly score: number }[] {
  const [first = [], ...others] = lists;
  if (others.length === 0) return first.map((hit) => ({ hit, score: hit._score }));
  const hits = new Map<string, SearchHit>();
  const keys = lists.map((list) =>
    list.map((hit) => {
      // The name of an index holds no space.
      const key = `${hit._index} ${hit._id}`;
      if (!hits.has(key)) hits.set(key, hit);
      return key;
    }),
  );
  return reciprocalRankFusion(keys).map(({ item, score }) => ({ hit: hits.get(item)!, score }));
}
