import { corpusNameSchema, type CorpusBody, type CorpusSettingsBody, type CorpusTask } from '@rerank-fleet/core/contracts';
import { standingCorpus, type CorpusRecord, type CorpusRef } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';
import { answerBy } from '../dispatch/answer-by.js';
import type { OutcomeOf, TaskDispatcher } from '../dispatch/task-dispatcher.js';
import { millisecondsUntil } from '../http/deadline.js';
import type { RequestContext } from '../http/request-context.js';
import type { RequestRouter, RerankerNeeds, RouteNeeds } from '@rerank-fleet/core/requests';
import { promotedVersion } from '@rerank-fleet/core/corpora';
import { describeCorpus } from './describe-corpus.js';

export interface CorporaServiceParts {
  readonly dispatcher: Pick<TaskDispatcher, 'call'>;
  readonly documents: DocumentStore;
  readonly candidates: Pick<CandidateStore, 'countPassages'>;
  readonly router: RequestRouter;
  readonly syncTimeoutMs: number;
}

/** Corpora and their settings. Only workers write; this process reads the record itself. */
export class CorporaService {
  readonly #parts: CorporaServiceParts;

  constructor(parts: CorporaServiceParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `corpus_not_found` */
  async require(tenant: string, corpus: string): Promise<CorpusRecord> {
    const isName = corpusNameSchema.safeParse(corpus).success;
    const record = isName ? standingCorpus(await this.#parts.documents.findCorpus({ tenant, corpus })) : undefined;
    if (record === undefined) throw new RerankError('corpus_not_found', 'There is no corpus of this name; GET /v1/corpora lists yours.');
    return record;
  }

  /** A corpus whose documents are kept here. @throws RerankError `corpus_not_found`; `invalid_request` for one that is searched elsewhere */
  async requireOwn(tenant: string, corpus: string): Promise<CorpusRecord> {
    const record = await this.require(tenant, corpus);
    const { source } = record.settings;
    if (source === undefined) return record;
    throw new RerankError(
      'invalid_request',
      `The documents of the corpus "${corpus}" are kept elsewhere (connection "${source.connection}"); read and write them there.`,
    );
  }

  /** @throws RerankError `corpus_not_found` */
  async get(tenant: string, corpus: string): Promise<CorpusBody> {
    return await this.#describe(await this.require(tenant, corpus));
  }

  /** By name, ascending. */
  async list(tenant: string): Promise<readonly CorpusBody[]> {
    const records = (await this.#parts.documents.listCorpora(tenant)).filter(({ deleting }) => deleting !== true);
    return await Promise.all(records.map((record) => this.#describe(record)));
  }

  /** @throws RerankError `reindex_required`, `model_not_found`, `model_unavailable`, `deadline_exceeded` and what the worker says */
  async put(
    corpus: string,
    settings: CorpusSettingsBody,
    context: RequestContext,
  ): Promise<{ readonly created: boolean; readonly corpus: CorpusBody }> {
    const needs = { reranker: rerankersOf(settings), ...(await this.#embedderOf({ tenant: context.tenant, corpus }, settings)) };
    const outcome = await this.change({ kind: 'corpus', corpus, change: { op: 'put', settings } }, context, needs);
    return { created: outcome.created === true, corpus: await this.get(context.tenant, corpus) };
  }

  /** @throws RerankError `corpus_not_found` and what the worker says */
  async delete(corpus: string, context: RequestContext): Promise<void> {
    const { corpusId } = await this.require(context.tenant, corpus);
    await this.change({ kind: 'corpus', corpus, change: { op: 'delete', corpus_id: corpusId } }, context);
  }

  /** Has a worker make a change, and waits for it: a sync call, so that it does not stand behind the slices of an upload. */
  async change(
    body: CorpusTask,
    context: RequestContext,
    needs: RouteNeeds = { reranker: { kind: 'none' } },
  ): Promise<OutcomeOf<CorpusTask>> {
    const deadline = context.arrivedAt + this.#parts.syncTimeoutMs;
    const { dispatcher, router } = this.#parts;
    return await answerBy(deadline, context, async ({ tenant, requestId, traceparent, signal }) => {
      const { pool } = await router.route(needs, { timeoutMs: millisecondsUntil(deadline), signal });
      return await dispatcher.call({
        queue: 'sync',
        tenant,
        requestId,
        pool,
        timeoutMs: millisecondsUntil(deadline),
        body,
        signal,
        ...(traceparent === undefined ? {} : { traceparent }),
      });
    });
  }

  /** Settings are checked against the embedder, by a worker that holds it; a new corpus that names none gets the worker's own. */
  async #embedderOf(ref: CorpusRef, { embedding_model: asked }: CorpusSettingsBody): Promise<Pick<RouteNeeds, 'embedder'>> {
    if (asked !== undefined) return { embedder: { name: asked, of: 'request' } };
    const known = standingCorpus(await this.#parts.documents.findCorpus(ref));
    return known === undefined ? {} : { embedder: { name: known.settings.embeddingModel, of: 'corpus' } };
  }

  async #describe(record: CorpusRecord): Promise<CorpusBody> {
    const { documents, candidates } = this.#parts;
    if (record.settings.source !== undefined) return describeCorpus(record, { documents: 0, passages: 0 });
    const [documentCount, passageCount] = await Promise.all([
      documents.countDocuments(record),
      candidates.countPassages(promotedVersion(record)).catch(noneIfNotMade),
    ]);
    return describeCorpus(record, { documents: documentCount, passages: passageCount });
  }
}

/** Stages that no pool could run are refused when they are set, not at the first search. */
function rerankersOf({ stages = [] }: CorpusSettingsBody): RerankerNeeds {
  return stages.length === 0 ? { kind: 'none' } : { kind: 'stages', names: stages.map(({ model }) => model), of: 'request' };
}

/** The record comes before its index, and who makes both may die in between; the first write makes the index then. */
function noneIfNotMade(error: unknown): number {
  if (error instanceof RerankError && error.code === 'corpus_not_found') return 0;
  throw error;
}
