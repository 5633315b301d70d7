import type { JobResultLine } from '@rerank-fleet/client';
import { describe, expect, it } from 'vitest';
import { findViolations } from './find-violations.ts';
import type { JobObservation, Observation, RedisKey } from './observation.ts';
import { expectedOf, type Ask, type Oracle } from './oracle.ts';
import type { SyncCall } from './sync-load.ts';

const ORACLE: Oracle = { logits: [[1.5, -2.25, 0.125]], searches: [[['t1', 3.5]]] };
const ASK: Ask = { kind: 'rerank', query: 0, texts: [0, 1, 2] };
const KILLS = [
  { kind: 'kill-worker', atMs: 1, role: 'worker-1' },
  { kind: 'kill-worker', atMs: 2, role: 'worker-2' },
] as const;

const resultsOf = (ask: Ask) => ({ results: expectedOf(ORACLE, ask).map(([index, relevance_score]) => ({ index, relevance_score })) });

const call = (outcome: SyncCall['outcome']): SyncCall => ({ ask: ASK, timeoutMs: 1_000, tookMs: 10, lagMs: 0, outcome });
const answered = (status: number, body: unknown): SyncCall => call({ kind: 'answered', status, body });
const GOOD_CALL = answered(200, resultsOf(ASK));

const line = (number: number): JobResultLine =>
  ({
    custom_id: `r${number}`,
    row: number + 1,
    status: 'succeeded',
    result: resultsOf(ASK),
    cursor: `c${number}`,
  }) as unknown as JobResultLine;
const LINES = [line(0), line(1), line(2)];

function job(lines: readonly JobResultLine[] = LINES, changes: Partial<JobObservation> = {}): JobObservation {
  const counts = { total: 3, processing: 0, succeeded: 3, errored: 0, cancelled: 0, expired: 0 };
  return {
    plan: { key: 'k', atMs: 0, rows: [0, 1, 2].map((number) => ({ customId: `r${number}`, ask: ASK })) },
    ids: ['job_1'],
    cancelled: false,
    body: { status: 'completed', request_counts: counts, progress: { pairs_done: 9, pairs_total: 9 } } as JobObservation['body'],
    lines,
    followed: lines,
    ...changes,
  };
}

function observation(changes: Partial<Observation> = {}): Observation {
  return {
    faults: [],
    oracle: ORACLE,
    calls: [GOOD_CALL],
    probes: [GOOD_CALL],
    jobs: [job()],
    strangeJobs: [],
    documents: {
      allowed: new Map<string, ReadonlySet<string | null>>([
        ['d1', new Set(['a'])],
        ['d2', new Set([null])],
      ]),
      stored: new Map([['d1', 'a']]),
      found: { sparse: ['d1'], dense: ['d1'] },
      faults: [],
      unclear: 0,
    },
    notRecovered: [],
    stuck: [],
    deadLetters: [],
    keys: [{ name: '{rf}:seq', size: 1 }],
    strangers: [],
    files: [],
    collections: [],
    integrity: 'ok',
    ...changes,
  };
}

const rulesOf = (changes: Partial<Observation>): string[] => findViolations(observation(changes)).map(({ rule }) => rule);
const key = (name: string, more: Partial<RedisKey> = {}): Partial<Observation> => ({ keys: [{ name: `{rf}:${name}`, size: 1, ...more }] });

describe('findViolations', () => {
  it('finds nothing in a run in which all is well', () => {
    expect(rulesOf({})).toEqual([]);
  });

  it.each([
    ['silence', call({ kind: 'silent' }), 'a call is answered by its deadline'],
    ['a late answer', { ...GOOD_CALL, tookMs: 1_260 }, 'a call is answered by its deadline'],
    ['an answer that is later than the machine', { ...GOOD_CALL, tookMs: 1_760, lagMs: 500 }, 'a call is answered by its deadline'],
    ['a connection that broke though the API lived', call({ kind: 'broken', why: 'reset' }), 'a connection breaks only with the API'],
    ['an error without a code', answered(500, 'oops'), 'an error is clear and has its cause'],
    ['an error that nothing explains', answered(503, { code: 'queue_unavailable' }), 'an error is clear and has its cause'],
    [
      'a logit that differs in its last bit',
      answered(200, { results: [{ index: 0, relevance_score: 1.5000000000000002 }] }),
      'outputs equal those without faults',
    ],
    ['another order', answered(200, { results: resultsOf(ASK).results.toReversed() }), 'outputs equal those without faults'],
  ])('finds %s', (_, planted, rule) => {
    expect(rulesOf({ calls: [GOOD_CALL, planted] })).toEqual([rule]);
  });

  it('takes an answer for timely that was no later than everything the machine did', () => {
    expect(rulesOf({ calls: [{ ...GOOD_CALL, tookMs: 1_740, lagMs: 500 }] })).toEqual([]);
  });

  it('takes an error for clear where a fault explains it, and a task that lost two workers for given up', () => {
    const [away, convicted] = [answered(503, { code: 'queue_unavailable' }), answered(500, { code: 'internal_error' })];
    expect(rulesOf({ faults: [KILLS[0]], calls: [away] })).toEqual([]);
    expect(rulesOf({ faults: [KILLS[0]], calls: [convicted] })).toEqual(['an error is clear and has its cause']);
    expect(rulesOf({ faults: KILLS, calls: [convicted] })).toEqual([]);
    expect(rulesOf({ faults: KILLS, probes: [away] })).toEqual(['calls are served after the recovery']);
  });

  it.each([
    ['a lost row', job(LINES.slice(1)), 'a row has exactly one result'],
    ['a doubled row', job([...LINES, LINES[0]!]), 'a row has exactly one result'],
    ["nobody's row", job([...LINES, line(7)]), 'a row has exactly one result'],
    ['a row that a follower missed', job(LINES, { followed: LINES.slice(1) }), 'a row has exactly one result'],
    [
      'a row that a follower got otherwise',
      job(LINES, { followed: [{ ...LINES[0]!, status: 'errored' }, ...LINES.slice(1)] }),
      'a line never changes',
    ],
    ['an errored row', job([{ ...LINES[0]!, status: 'errored' }, ...LINES.slice(1)]), 'a row ends as it should'],
    [
      'a row with the result of another',
      job([{ ...LINES[0]!, result: { results: [] } as never }, ...LINES.slice(1)]),
      'outputs equal those without faults',
    ],
    ['two jobs for one key', job(LINES, { ids: ['job_1', 'job_2'] }), 'a key stands for one job'],
    ['a job that nobody took', job([], { body: undefined, ids: [] }), 'a job is accepted in the end'],
    ['a reader that did not get to the end', job(LINES, { fault: 'RerankTimeoutError' }), 'a reader of results gets to the end'],
  ])('finds %s', (_, planted, rule) => {
    expect(rulesOf({ jobs: [planted] })).toContain(rule);
  });

  it.each([
    ['succeeded', { request_counts: { total: 3, processing: 0, succeeded: 2, errored: 0, cancelled: 0, expired: 0 } }],
    ['total', { request_counts: { total: 4, processing: 1, succeeded: 3, errored: 0, cancelled: 0, expired: 0 } }],
    ['pairs', { progress: { pairs_done: 8, pairs_total: 9 } }],
  ])('finds counters that do not agree with results: %s', (_, body) => {
    const good = job();
    expect(rulesOf({ jobs: [job(LINES, { body: { ...good.body!, ...body } })] })).toEqual(['counters agree with results']);
  });

  it.each([
    ['an accepted document that is not stored', { stored: new Map<string, string>(), found: { sparse: [], dense: [] } }],
    ['a document with an earlier text', { stored: new Map([['d1', 'b']]) }],
    [
      'a deleted document that is back',
      {
        stored: new Map([
          ['d1', 'a'],
          ['d2', 'x'],
        ]),
        found: { sparse: ['d1', 'd2'], dense: ['d1', 'd2'] },
      },
    ],
  ])('finds %s', (_, planted) => {
    expect(rulesOf({ documents: { ...observation().documents, ...planted } })).toEqual([
      'what was accepted is stored, and what was deleted is not',
    ]);
  });

  it.each([
    ['a stored document that a search misses', { sparse: [], dense: ['d1'] }],
    ['a deleted document that a search finds', { sparse: ['d1', 'd2'], dense: ['d1'] }],
    ['a document that is found twice', { sparse: ['d1', 'd1'], dense: ['d1'] }],
  ])('finds %s', (_, found) => {
    expect(rulesOf({ documents: { ...observation().documents, found } })).toEqual(['searches find what is stored, and nothing else']);
  });

  it.each([
    ['a key of no known kind', key('job:stray')],
    ['a key of a call that stays for ever', key('result:00000000-0000-0000-0000-000000000000')],
    ['a key that lives longer than its kind', key('demand:default', { ttlMs: 121_000 })],
    ['a ledger of a job that has ended', key('batch:job:job_1')],
    ['a task that is still kept', key('batch-default:job_1-0')],
    ['a collection that grows', key('batch-default:events', { size: 9_000 })],
    ['what jobs take of a tenant’s room', key('admission:jobs:default:uploads', { size: 9 })],
    ['what files take of a tenant’s room', key('admission:files:default', { size: 20 })],
  ])('finds %s', (_, planted) => {
    expect(rulesOf(planted)).toEqual(['no key is left']);
  });

  it('knows what is kept of a tenant’s room for jobs and for files', () => {
    const kept = ['admission:jobs:default', 'admission:jobs:default:uploads', 'admission:files:default', 'admission:files:default:uploads'];
    expect(rulesOf({ keys: kept.map((name) => ({ name: `{rf}:${name}`, size: 3 })) })).toEqual([]);
  });

  it.each<[string, Partial<Observation>, string]>([
    ['a job that nobody submitted', { strangeJobs: ['job_9'] }, 'no job but those that were submitted'],
    ['a task that stays in hand', { stuck: ['sync-default 1'] }, 'no task is stuck'],
    ['a dead letter', { deadLetters: ['ingest 1'] }, 'no task is given up'],
    ['a process', { strangers: ['17: node'] }, 'no process is left'],
    ['a file', { files: ['blobs/x'] }, 'no file is left'],
    ['a collection', { collections: ['rf__default__gone__v1'] }, 'no collection is left'],
    ['a damaged database', { integrity: 'row 3 missing from index' }, 'the database is whole'],
    [
      'a reindex that failed',
      { reindex: { others: [], unheard: 0, promotedVersion: 1, body: { status: 'failed', to_version: 2 } as never } },
      'a reindex ends in its version',
    ],
    [
      'a reindex whose version is not promoted',
      { reindex: { others: [], unheard: 0, promotedVersion: 1, body: { status: 'completed', to_version: 2 } as never } },
      'a reindex ends in its version',
    ],
    [
      'a reindex that nobody began',
      {
        reindex: {
          ...{ unheard: 0, promotedVersion: 3, others: [{ status: 'completed', to_version: 3 } as never] },
          body: { status: 'completed', to_version: 2 } as never,
        },
      },
      'a reindex ends in its version',
    ],
    ['a reindex that never began', { reindex: { others: [], unheard: 0, promotedVersion: 1 } }, 'a reindex ends in its version'],
    ['what did not come back', { notRecovered: ['the API is not ready'] }, 'the stack comes back'],
  ])('finds %s', (_, planted, rule) => {
    expect(rulesOf(planted)).toEqual([rule]);
  });

  it('takes the version of a reindex whose start was not heard of', () => {
    const body = { status: 'completed', to_version: 2 } as never;
    const others = [{ status: 'completed', to_version: 3 } as never];
    expect(rulesOf({ reindex: { body, others, unheard: 1, promotedVersion: 3 } })).toEqual([]);
    expect(rulesOf({ reindex: { body, others, unheard: 1, promotedVersion: 2 } })).toEqual(['a reindex ends in its version']);
  });
});
