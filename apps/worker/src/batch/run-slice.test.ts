import type { RerankOutcome, RerankTask } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { BatchRecord, BatchRow } from '@rerank-fleet/core/jobs';
import { poolsOf } from '@rerank-fleet/core/requests';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { announcement } from '../../../../test/support/fleet-fixtures.js';
import type { TaskContext } from '../tasks/task-processor.js';
import type { BatchParts } from './batch-parts.js';
import { FairRows } from './fair-rows.js';
import { runSlice, type SliceLines } from './run-slice.js';

const RECORD = { id: 'job_1', tenant: 'acme' } as BatchRecord;
const ROWS: BatchRow[] = ['good', 'away', 'odd'].map((query, index) => ({
  row: index + 1,
  request: { custom_id: query, query, documents: ['d'] },
}));
const AWAY = new RerankError('candidate_store_unavailable', 'The store is away.');
const OUTCOME: RerankOutcome = {
  kind: 'rerank',
  model: 'mini',
  results: [{ index: 0, logit: 1, tokens: 3, truncated: false }],
  prompt_tokens: 3,
  timings_ms: { queue: 0 },
};

const log = { warn: vi.fn(), error: vi.fn() };
const suspects = {
  enter: () => Promise.resolve(),
  leave: () => Promise.resolve(),
  convicted: () => Promise.resolve(new Set<number>()),
  forget: () => Promise.resolve(),
};

/** Each request fails with what its query says; the others end. */
function run(context: Partial<TaskContext>, rows = ROWS): Promise<SliceLines> {
  const rerank = ({ query }: RerankTask): Promise<RerankOutcome> => {
    if (query === 'away') return Promise.reject(AWAY);
    return query === 'odd' ? Promise.reject(new TypeError('undefined is not a function')) : Promise.resolve(OUTCOME);
  };
  const parts = {
    jobs: { rows: () => Promise.resolve(rows), slices: () => Promise.resolve([{ pairs: rows.length }]) },
    fairRows: new FairRows({ pairsAtOnce: 10, quantum: 10 }),
    handlers: { rerank, search: () => Promise.reject(AWAY) },
    pool: poolsOf([announcement()], [])[0]!,
    aliases: {},
    suspects,
    log,
  } as unknown as BatchParts;
  const never = new AbortController().signal;
  const whole: TaskContext = { taskId: 't', tenant: 'acme', requestId: 'r', queueMs: 0, signal: never, ...context };
  return runSlice(parts, { record: RECORD, slice: 0, context: whole, cancelled: never });
}

beforeEach(() => void log.error.mockReset());

const ISOLATE: TaskContext['isolate'] = (part) => part();

describe.each([
  ['all at once', {}],
  ['one by one', { isolate: ISOLATE }],
])('a slice whose rows run %s', (_how, context) => {
  it('is tried again, whole, while it may be and a row fails by no fault of its own', async () => {
    await expect(run(context)).rejects.toBe(AWAY);
    await expect(run({ ...context, isLastAttempt: false })).rejects.toBe(AWAY);
  });

  it('in its last attempt errs in those rows alone, which are logged with their cause', async () => {
    const { lines } = await run({ ...context, isLastAttempt: true });
    expect(lines).toEqual([
      { row: 1, custom_id: 'good', status: 'succeeded', result: expect.anything() as unknown },
      { row: 2, custom_id: 'away', status: 'errored', error: { code: 'candidate_store_unavailable', message: 'The store is away.' } },
      {
        row: 3,
        custom_id: 'odd',
        status: 'errored',
        error: { code: 'internal_error', message: expect.not.stringContaining('function') as string },
      },
    ]);
    expect(log.error.mock.calls.map(([fields]) => fields as object)).toEqual([
      { err: AWAY, job: 'job_1', row: 2 },
      { err: expect.any(TypeError) as TypeError, job: 'job_1', row: 3 },
    ]);
  });

  it('fails whole in its last attempt where every row does', async () => {
    await expect(run({ ...context, isLastAttempt: true }, ROWS.slice(1))).rejects.toBe(AWAY);
  });
});
