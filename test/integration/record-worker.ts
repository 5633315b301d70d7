import type { CorpusTask, TaskOutcome } from '@rerank-fleet/core/contracts';
import {
  abandonReindex,
  changeReindex,
  promoteReindex,
  rethrottleReindex,
  rollbackReindex,
  startReindex,
} from '@rerank-fleet/core/corpora';
import type { CorpusRecord, CorpusRef, ReindexRecord } from '@rerank-fleet/core/domain';
import type { FakeFleet } from '../support/api-fakes.js';

type ReindexTask = Extract<CorpusTask['change'], { op: 'start_reindex' | 'control_reindex' }>;

/** Changes the record of corpora as a worker does when a reindex is begun or controlled; the work on it is what a test says. */
export class RecordWorker {
  readonly #fleet: FakeFleet;

  constructor(fleet: FakeFleet) {
    this.#fleet = fleet;
    const { answer } = fleet;
    fleet.answer = async (task) => {
      const { tenant, body } = task;
      const isReindex = body.kind === 'corpus' && (body.change.op === 'start_reindex' || body.change.op === 'control_reindex');
      if (!isReindex) return await (answer ?? ((other) => fleet.work(other)))(task);
      return await this.#change({ tenant, corpus: body.corpus }, body.change as ReindexTask);
    };
  }

  /** What the work on a reindex stores. */
  async worked(ref: CorpusRef, id: string, change: Partial<ReindexRecord>): Promise<void> {
    const record = (await this.#fleet.documents.findCorpus(ref))!;
    await this.#fleet.documents.updateCorpus(changeReindex(record, id, (reindex) => ({ ...reindex, ...change })));
  }

  async #change(ref: CorpusRef, change: ReindexTask): Promise<TaskOutcome> {
    const record = (await this.#fleet.documents.findCorpus(ref))!;
    const total = await this.#fleet.documents.countDocuments(ref);
    await this.#fleet.documents.updateCorpus(changed(record, change, total));
    return { kind: 'corpus' };
  }
}

function changed(record: CorpusRecord, change: ReindexTask, total: number): CorpusRecord {
  const now = Date.now();
  if (change.op === 'start_reindex') {
    const { promote, requests_per_second: requestsPerSecond } = change.request;
    const { chunking, bm25 } = record.settings;
    const settings = { embedder: record.versions[0]!.embedder, chunking, bm25 };
    const limit = requestsPerSecond === undefined ? {} : { requestsPerSecond };
    return startReindex(record, { id: change.id, promote, keepPreviousMs: 1_000, checks: { sample: 5 }, total, settings, ...limit }, now);
  }
  switch (change.action.kind) {
    case 'rethrottle':
      return rethrottleReindex(record, change.id, change.action.requests_per_second ?? undefined);
    case 'cancel':
      return abandonReindex(record, change.id, { now });
    case 'promote':
      return promoteReindex(record, change.id, now);
    case 'rollback':
      return rollbackReindex(record, change.id, now);
  }
}
