import type { RerankRequest, RerankResponse } from '@rerank-fleet/core/contracts';
import { chooseStages, rerankAnswerOf, rerankTaskOf, type RequestRouter } from '@rerank-fleet/core/requests';
import type { SyncAdmission } from '../admission/sync-admission.js';
import { answerBy } from '../dispatch/answer-by.js';
import type { TaskDispatcher } from '../dispatch/task-dispatcher.js';
import { millisecondsUntil, timeoutOf } from '../http/deadline.js';
import type { RequestContext } from '../http/request-context.js';

export interface RerankServiceParts {
  readonly admission: Pick<SyncAdmission, 'run'>;
  readonly dispatcher: Pick<TaskDispatcher, 'call'>;
  readonly router: RequestRouter;
  readonly syncTimeoutMs: number;
}

export interface RerankOptions {
  /** Lower goes first among waiting requests; 0 is the default. */
  readonly priority?: number;
}

/** Reranks documents that the client sends along. */
export class RerankService {
  readonly #parts: RerankServiceParts;

  constructor(parts: RerankServiceParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `model_not_found`, `model_unavailable`, `overloaded`, `payload_too_large`, `deadline_exceeded`, `queue_unavailable`, and what the worker says */
  async rerank(request: RerankRequest, context: RequestContext, options: RerankOptions = {}): Promise<RerankResponse> {
    const deadline = context.arrivedAt + timeoutOf(request.timeout_ms, this.#parts.syncTimeoutMs);
    return await answerBy(deadline, context, (within) => this.#rerank(request, { ...within, deadline }, options));
  }

  async #rerank(
    request: RerankRequest,
    context: RequestContext & { readonly deadline: number },
    options: RerankOptions,
  ): Promise<RerankResponse> {
    const { deadline } = context;
    const choice = chooseStages(request);
    const { admission, dispatcher, router } = this.#parts;
    const route = await router.route({ reranker: choice.reranker }, { timeoutMs: millisecondsUntil(deadline), signal: context.signal });
    const work = { kind: 'rerank', request } as const;
    const outcome = await admission.run({ context, route, work, timeoutMs: millisecondsUntil(deadline) }, () =>
      dispatcher.call({
        queue: 'sync',
        tenant: context.tenant,
        requestId: context.requestId,
        pool: route.pool,
        timeoutMs: millisecondsUntil(deadline),
        body: rerankTaskOf(request, choice.pin(route.models), choice.mostResults),
        signal: context.signal,
        ...(context.traceparent === undefined ? {} : { traceparent: context.traceparent }),
        ...(options.priority === undefined ? {} : { priority: options.priority }),
      }),
    );
    return rerankAnswerOf(request, outcome, performance.now() - context.arrivedAt);
  }
}
