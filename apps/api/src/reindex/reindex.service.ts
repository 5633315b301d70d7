import type { CorpusTask, ReindexBody, ReindexRequestBody } from '@rerank-fleet/core/contracts';
import type { CorpusRecord, ReindexRecord } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { newReindexId } from '@rerank-fleet/core/jobs';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import type { CorporaService } from '../corpora/corpora.service.js';
import type { RequestContext } from '../http/request-context.js';
import { describeReindex } from './describe-reindex.js';

type ReindexAction = Extract<CorpusTask['change'], { op: 'control_reindex' }>['action'];

export interface ReindexServiceParts {
  readonly corpora: CorporaService;
  readonly documents: Pick<DocumentStore, 'listCorpora'>;
  /** Epoch milliseconds of Redis TIME. */
  readonly now: () => number;
}

/** Reindexes, which workers begin, change and do; this process reads the corpus' record, which tells of them. */
export class ReindexService {
  readonly #parts: ReindexServiceParts;

  constructor(parts: ReindexServiceParts) {
    this.#parts = parts;
  }

  /** @throws RerankError `corpus_not_found`, `reindex_in_progress`, `model_not_found`, `model_unavailable` and what the worker says */
  async start(corpus: string, request: ReindexRequestBody, context: RequestContext): Promise<ReindexBody> {
    const { corpora } = this.#parts;
    const record = await corpora.require(context.tenant, corpus);
    const id = newReindexId(Date.now());
    const { embedding_model: asked } = request;
    const name = asked ?? record.settings.embeddingModel;
    const embedder = { name, of: asked === undefined ? 'corpus' : 'request' } as const;
    await corpora.change({ kind: 'corpus', corpus, change: { op: 'start_reindex', id, request } }, context, {
      reranker: { kind: 'none' },
      embedder,
    });
    return await this.get(context.tenant, id);
  }

  /** Of the tenant's corpora, newest first. @throws RerankError `corpus_not_found` */
  async list(tenant: string, corpus?: string): Promise<readonly ReindexBody[]> {
    const { corpora, documents, now } = this.#parts;
    const records = corpus === undefined ? await documents.listCorpora(tenant) : [await corpora.require(tenant, corpus)];
    const found = records.flatMap((record) => (record.reindexes ?? []).map((reindex) => ({ record, reindex })));
    // Ids begin with the time.
    const newestFirst = found.sort((a, b) => (a.reindex.id < b.reindex.id ? 1 : -1));
    return newestFirst.map(({ record, reindex }) => describeReindex(record, reindex, now()));
  }

  /** @throws RerankError `job_not_found`, also for another tenant's */
  async get(tenant: string, id: string): Promise<ReindexBody> {
    const { record, reindex } = await this.#find(tenant, id);
    return describeReindex(record, reindex, this.#parts.now());
  }

  /** @throws RerankError `job_not_found`, `reindex_in_progress`, `invalid_request` where its state does not allow it */
  async control(id: string, action: ReindexAction, context: RequestContext): Promise<ReindexBody> {
    const { record } = await this.#find(context.tenant, id);
    await this.#parts.corpora.change({ kind: 'corpus', corpus: record.corpus, change: { op: 'control_reindex', id, action } }, context);
    return await this.get(context.tenant, id);
  }

  async #find(tenant: string, id: string): Promise<{ readonly record: CorpusRecord; readonly reindex: ReindexRecord }> {
    for (const record of await this.#parts.documents.listCorpora(tenant)) {
      const reindex = record.reindexes?.find((each) => each.id === id);
      if (reindex !== undefined) return { record, reindex };
    }
    throw new RerankError('job_not_found', 'There is no reindex of this id; GET /v1/admin/reindex lists yours.');
  }
}
