import { promotedVersion } from '@rerank-fleet/core/corpora';
import type { SearchRequest, SearchResponse } from '@rerank-fleet/core/contracts';
import { standingCorpus, type CorpusRecord } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import {
  assertCoherentSearch,
  chooseStages,
  searchAnswerOf,
  searchNeedsOf,
  searchTaskOf,
  type RequestRouter,
} from '@rerank-fleet/core/requests';
import type { SyncAdmission } from '../admission/sync-admission.js';
import { answerBy, readBy } from '../dispatch/answer-by.js';
import type { TaskDispatcher } from '../dispatch/task-dispatcher.js';
import { millisecondsUntil, timeoutOf } from '../http/deadline.js';
import type { RequestContext } from '../http/request-context.js';

export interface SearchServiceParts {
  readonly admission: Pick<SyncAdmission, 'run'>;
  readonly dispatcher: Pick<TaskDispatcher, 'call'>;
  readonly documents: Pick<DocumentStore, 'findCorpus'>;
  readonly router: RequestRouter;
  readonly syncTimeoutMs: number;
}

/** Searches a corpus: first-stage retrieval, then the cross-encoder. */
export class SearchService {
  readonly #parts: SearchServiceParts;

  constructor(parts: SearchServiceParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `invalid_request`, `too_many_candidates`, `corpus_not_found`, and all that a rerank throws */
  async search(request: SearchRequest, context: RequestContext): Promise<SearchResponse> {
    assertCoherentSearch(request);
    const deadline = context.arrivedAt + timeoutOf(request.timeout_ms, this.#parts.syncTimeoutMs);
    return await answerBy(deadline, context, (within) => this.#search(request, { ...within, deadline }));
  }

  async #search(request: SearchRequest, context: RequestContext & { readonly deadline: number }): Promise<SearchResponse> {
    const { deadline } = context;
    const corpus = await readBy(deadline, this.#corpus(context.tenant, request.corpus));
    // The alias is resolved here, once: the request never sees another version.
    const version = promotedVersion(corpus);
    const choice = request.rerank ? chooseStages(request, corpus.settings.stages) : undefined;
    const limits = { timeoutMs: millisecondsUntil(deadline), signal: context.signal };
    const { admission, dispatcher, router } = this.#parts;
    const route = await router.route(searchNeedsOf(request, version, choice), limits);
    const sized = { chunking: version.chunking, stages: corpus.settings.stages };
    const call = { context, route, work: { kind: 'search', request }, corpus: sized, timeoutMs: millisecondsUntil(deadline) } as const;
    const outcome = await admission.run(call, () =>
      dispatcher.call({
        queue: 'sync',
        tenant: context.tenant,
        requestId: context.requestId,
        pool: route.pool,
        timeoutMs: millisecondsUntil(deadline),
        body: searchTaskOf(request, version, choice && { stages: choice.pin(route.models), mostResults: choice.mostResults }),
        signal: context.signal,
        ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
      }),
    );
    return searchAnswerOf(request, version, outcome, performance.now() - context.arrivedAt);
  }

  async #corpus(tenant: string, corpus: string): Promise<CorpusRecord> {
    const record = standingCorpus(await this.#parts.documents.findCorpus({ tenant, corpus }));
    if (record === undefined) throw new RerankError('corpus_not_found', 'There is no corpus of this name; GET /v1/corpora lists yours.');
    return record;
  }
}
