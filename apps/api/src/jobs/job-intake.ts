import type { Config } from '@rerank-fleet/core/config';
import type { StoredResultLine } from '@rerank-fleet/core/contracts';
import { RerankError, type FieldError } from '@rerank-fleet/core/errors';
import type { UploadedRow } from '@rerank-fleet/core/jobs';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import type { FleetView, RequestRouter } from '@rerank-fleet/core/requests';
import type { RequestContext } from '../http/request-context.js';
import type { JobDraft } from './job-draft.js';
import { RowChecker } from './row-checker.js';
import { RowRoutes } from './row-routes.js';
import { faultsInBody, isRefused, type RefusedRow } from './submitted-row.js';

export interface JobIntakeParts {
  readonly documents: Pick<DocumentStore, 'findCorpus'>;
  readonly fleet: FleetView;
  readonly router: RequestRouter;
  readonly http: Pick<Config['http'], 'maxDocuments' | 'maxBodyBytes' | 'syncTimeoutMs'>;
}

/** Where rows go. A promise is waited for before the next row. */
export interface RowSink {
  add(row: UploadedRow): Promise<void> | undefined;
  reject(line: StoredResultLine): Promise<void> | undefined;
}

/** What the rows of a job came to. */
export interface TakenRows {
  readonly good: number;
  readonly refused: number;
  /** The first bad rows. */
  readonly faults: readonly RefusedRow[];
  /** That all good rows run in; undefined if there are none. */
  readonly pool: string | undefined;
}

/** Bad rows that are told at once. */
export const MAX_FAULTS = 20;

/** Checks the rows of a job one by one as they come in. */
export class JobIntake {
  readonly #parts: JobIntakeParts;

  constructor(parts: JobIntakeParts) {
    this.#parts = parts;
  }

  /**
   * @param stopAtFaults leaves the rest unread once there are more bad rows than are told
   * @throws RerankError of what all rows need (`queue_unavailable` …), `payload_too_large`; what the sink throws; the signal's reason
   */
  async take(draft: JobDraft, sink: RowSink, { tenant, signal }: RequestContext, stopAtFaults = false): Promise<TakenRows> {
    const { http, ...where } = this.#parts;
    const routes = new RowRoutes({ ...where, tenant, timeoutMs: http.syncTimeoutMs, signal });
    const checker = new RowChecker(routes, { maxDocuments: http.maxDocuments, maxBytes: http.maxBodyBytes }, draft.options.defaults);
    const faults: RefusedRow[] = [];
    let good = 0;
    let refused = 0;
    for await (const row of draft.rows) {
      const found = checker.check(row);
      const checked = found instanceof Promise ? await found : found;
      let full: Promise<void> | undefined;
      if (isRefused(checked)) {
        refused += 1;
        if (faults.length < MAX_FAULTS) faults.push(checked);
        else if (stopAtFaults) break;
        full = sink.reject(lineOf(checked));
      } else {
        good += 1;
        full = sink.add(checked);
      }
      if (full !== undefined) await full;
    }
    signal.throwIfAborted();
    return { good, refused, faults, pool: routes.pool };
  }
}

/**
 * Refuses a job that could not give a result, and one that would have no bad row.
 *
 * @throws RerankError `invalid_request`, naming the first bad rows; `model_unavailable` where that alone is what is wrong
 */
export function assertWorthwhile({ good, refused, faults }: TakenRows, { options, form }: JobDraft): void {
  if (good > 0 && (refused === 0 || !options.strict)) return;
  const [first] = faults;
  if (first === undefined) throw new RerankError('invalid_request', 'The body holds no requests; send one JSON object a line.');
  if (good === 0 && faults.every(({ error }) => error.code === 'model_unavailable')) throw first.error;
  const errors = faults.flatMap((fault) => faultsInBody(fault, form)).slice(0, MAX_FAULTS);
  const place = form === 'lines' ? 'in line' : 'in request';
  const what = good === 0 ? 'No request can be run.' : 'The job is strict and has bad requests.';
  throw new BadRowsError(`${what} The first fault is ${place} ${first.row}: ${first.error.detail}`, { errors, rows: faults });
}

/** A job is refused for its requests. */
export class BadRowsError extends RerankError {
  /** The first bad ones. */
  readonly rows: readonly RefusedRow[];

  constructor(detail: string, { errors, rows }: { readonly errors: readonly FieldError[]; readonly rows: readonly RefusedRow[] }) {
    super('invalid_request', detail, { errors });
    this.rows = rows;
  }
}

function lineOf({ row, customId, error: { code, detail, errors } }: RefusedRow): StoredResultLine {
  return {
    row,
    ...(customId === undefined ? {} : { custom_id: customId }),
    status: 'errored',
    error: { code, message: detail, ...(errors.length === 0 ? {} : { errors: errors.map((fault) => ({ ...fault })) }) },
  };
}
