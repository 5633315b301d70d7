import type { StoredResultLine } from '@rerank-fleet/core/contracts';
import { promotedVersion } from '@rerank-fleet/core/corpora';
import { standingCorpus } from '@rerank-fleet/core/domain';
import { mendsWithTime, RerankError } from '@rerank-fleet/core/errors';
import type { BatchRecord, BatchRow } from '@rerank-fleet/core/jobs';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import {
  assertCoherentSearch,
  chooseStages,
  defaultForPeers,
  readJobRow,
  rerankAnswerOf,
  rerankTaskOf,
  routeRequest,
  searchAnswerOf,
  searchNeedsOf,
  searchTaskOf,
  type JobRequest,
  type PoolView,
  type RouteChoice,
  type RouteNeeds,
} from '@rerank-fleet/core/requests';
import type { TaskContext, TaskHandlers } from '../tasks/task-processor.js';

export interface RowParts {
  readonly handlers: Pick<TaskHandlers, 'rerank' | 'search'>;
  readonly documents: Pick<DocumentStore, 'findCorpus'>;
  /** This worker as a pool of one: a row runs on the models that whoever takes it has. */
  readonly pool: PoolView;
  readonly aliases: Readonly<Record<string, string>>;
  readonly log: { error(fields: object, message: string): void };
}

/**
 * Runs one request of a job. Faults of the request become its result; others are thrown, and the slice is tried again.
 *
 * @throws RerankError whose catalogue entry says `backoff`; the signal's reason
 */
export async function runRow(parts: RowParts, record: BatchRecord, row: BatchRow, context: TaskContext): Promise<StoredResultLine> {
  const head = headOf(row);
  try {
    const read = readJobRow(row.request, record.defaults);
    if (!read.ok) throw new RerankError('invalid_request', 'The request no longer has the form that it was accepted with.');
    const result = await answer(parts, read.row, context);
    return { ...head, status: 'succeeded', result };
  } catch (error) {
    context.signal.throwIfAborted();
    if (!(error instanceof RerankError) || (mendsWithTime(error) && !isOfRow(error))) throw error;
    // The result tells no cause.
    if (error.status >= 500) parts.log.error({ err: error, job: record.id, row: row.row }, 'A request of a job failed.');
    return { ...head, status: 'errored', error: errorOf(error) };
  }
}

/** A pair that memory has no room for was tried alone, twice: the rows beside it shall not be run again, and given up, for its sake. */
function isOfRow({ code }: RerankError): boolean {
  return code === 'out_of_memory';
}

/** What every result line of the row begins with. */
export function headOf({ row, request }: BatchRow): Pick<StoredResultLine, 'row' | 'custom_id'> {
  const custom = request['custom_id'];
  return { row, ...(typeof custom === 'string' ? { custom_id: custom } : {}) };
}

export function errorOf({ code, detail, errors }: RerankError): NonNullable<StoredResultLine['error']> {
  return { code, message: detail, ...(errors.length === 0 ? {} : { errors: errors.map((fault) => ({ ...fault })) }) };
}

/** As the API did when it took the row: the name of another service's model stands for the default. */
function route({ pool, aliases }: Pick<RowParts, 'pool' | 'aliases'>, needs: RouteNeeds): RouteChoice {
  return routeRequest([pool], { ...needs, reranker: defaultForPeers([pool], needs.reranker, aliases) }, aliases);
}

async function answer(parts: RowParts, row: JobRequest, context: TaskContext): Promise<NonNullable<StoredResultLine['result']>> {
  const started = performance.now();
  if (row.kind === 'rerank') {
    const choice = chooseStages(row.request);
    const { models } = route(parts, { reranker: choice.reranker });
    const outcome = await parts.handlers.rerank(rerankTaskOf(row.request, choice.pin(models), choice.mostResults), context);
    return rerankAnswerOf(row.request, outcome, performance.now() - started);
  }
  const { request } = row;
  assertCoherentSearch(request);
  const corpus = standingCorpus(await parts.documents.findCorpus({ tenant: context.tenant, corpus: request.corpus }));
  if (corpus === undefined) throw new RerankError('corpus_not_found', `There is no corpus "${request.corpus}".`);
  const version = promotedVersion(corpus);
  const choice = request.rerank ? chooseStages(request, corpus.settings.stages) : undefined;
  const { models } = route(parts, searchNeedsOf(request, version, choice));
  const pinned = choice && { stages: choice.pin(models), mostResults: choice.mostResults };
  const outcome = await parts.handlers.search(searchTaskOf(request, version, pinned), context);
  return searchAnswerOf(request, version, outcome, performance.now() - started);
}
