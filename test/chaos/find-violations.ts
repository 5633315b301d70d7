import type { JobResultLine } from '@rerank-fleet/client';
import type { BatchRow } from './batch-load.ts';
import type { Fault } from './fault-schedule.ts';
import { codeOf } from './http-call.ts';
import { faultsOfKeys } from './redis-keys.ts';
import type { DocumentsObservation, JobObservation, Observation, ReindexObservation } from './observation.ts';
import { expectedOf, sameScores, scoredOf, type Oracle } from './oracle.ts';
import type { SyncCall } from './sync-load.ts';

export interface Violation {
  /** The invariant that does not hold. */
  readonly rule: string;
  readonly detail: string;
}

/** Beyond a call's deadline, and beyond what the machine was late with everything. */
const ANSWER_GRACE_MS = 250;

const PASSING: ReadonlySet<string> = new Set([
  'queue_unavailable',
  'model_unavailable',
  'candidate_store_unavailable',
  'blob_store_unavailable',
  'deadline_exceeded',
  'overloaded',
]);

const SEPARATING: ReadonlySet<Fault['kind']> = new Set([
  'kill-worker',
  'kill-supervisor',
  'crash-thread',
  'pause-redis',
  'kill-redis',
  'cut',
  'blackhole',
  'half-open',
  'slow',
]);

/** A task that lost two workers, or two that could not be heard, or under a pair of which two threads died, is given up by design. */
const mayConvict = (faults: readonly Fault[]): boolean =>
  faults.filter((fault) => SEPARATING.has(fault.kind) && !('role' in fault && fault.role === 'api')).length >= 2;

const apiDied = (faults: readonly Fault[]): boolean => faults.some(({ kind }) => kind === 'kill-api' || kind === 'kill-supervisor');

/** What of a run is not as it must be, whatever happened in it. */
export function findViolations(seen: Observation): readonly Violation[] {
  const { faults, oracle } = seen;
  const of = (rule: string, details: readonly string[]): Violation[] => details.map((detail) => ({ rule, detail }));
  return [
    ...of('the stack comes back', seen.notRecovered),
    ...seen.calls.flatMap((call) => faultsOfCall(call, faults, oracle)),
    ...seen.probes.filter(({ outcome }) => outcome.kind !== 'answered' || outcome.status !== 200).map(notServed),
    ...seen.probes.flatMap((call) => faultsOfCall(call, faults, oracle)),
    ...seen.jobs.flatMap((job) => faultsOfJob(job, faults, oracle)),
    ...of('no job but those that were submitted', seen.strangeJobs),
    ...faultsOfDocuments(seen.documents),
    ...of('a reindex ends in its version', faultsOfReindex(seen.reindex)),
    ...of('no task is stuck', seen.stuck),
    ...of('no task is given up', mayConvict(faults) ? [] : seen.deadLetters),
    ...of('no key is left', faultsOfKeys(seen.keys)),
    ...of('no process is left', seen.strangers),
    ...of('no file is left', seen.files),
    ...of('no collection is left', seen.collections),
    ...of('the database is whole', seen.integrity === 'ok' ? [] : [seen.integrity]),
  ];
}

function notServed({ outcome }: SyncCall): Violation {
  return { rule: 'calls are served after the recovery', detail: JSON.stringify(outcome) };
}

function faultsOfCall({ ask, outcome, timeoutMs, tookMs, lagMs }: SyncCall, faults: readonly Fault[], oracle: Oracle): Violation[] {
  const detail = `${ask.kind} with ${timeoutMs} ms, after ${Math.round(tookMs)} ms (${Math.round(lagMs)} ms lag): ${JSON.stringify(outcome).slice(0, 300)}`;
  if (outcome.kind === 'silent' || (outcome.kind === 'answered' && tookMs > timeoutMs + ANSWER_GRACE_MS + lagMs))
    return [{ rule: 'a call is answered by its deadline', detail }];
  if (outcome.kind === 'broken') return apiDied(faults) ? [] : [{ rule: 'a connection breaks only with the API', detail }];
  if (outcome.status === 200) {
    const expected = expectedOf(oracle, ask);
    return sameScores(scoredOf(outcome.body), expected)
      ? []
      : [{ rule: 'outputs equal those without faults', detail: `${detail}, expected ${JSON.stringify(expected)}` }];
  }
  const code = codeOf(outcome) ?? '';
  const allowed = faults.length > 0 && (PASSING.has(code) || (code === 'internal_error' && mayConvict(faults)));
  return allowed ? [] : [{ rule: 'an error is clear and has its cause', detail }];
}

/** What of a batch job is not as it must be. */
export function faultsOfJob(job: JobObservation, faults: readonly Fault[], oracle: Oracle): Violation[] {
  const { plan, body, ids } = job;
  const found: Violation[] = [];
  const note = (rule: string, detail: string): void => void found.push({ rule, detail: `${plan.key}: ${detail}` });
  if (job.fault !== undefined) note('a reader of results gets to the end', job.fault);
  if (ids.length > 1) note('a key stands for one job', ids.join(', '));
  if (body === undefined) {
    note('a job is accepted in the end', 'it was not');
    return found;
  }
  const wanted = plan.cancelAtMs === undefined ? ['completed'] : ['completed', 'cancelled'];
  if (!wanted.includes(body.status)) note('a job ends as it should', `${body.status} ${JSON.stringify(body.error ?? body.request_counts)}`);
  noteCounts(job, note);
  noteLines('as read', job.lines, plan.rows, note);
  noteLines('as followed', job.followed, plan.rows, note);
  const rows = new Map(plan.rows.map((row) => [row.customId, row]));
  for (const line of job.lines) noteOutcome(line, rows.get(idOf(line)), { job, faults, oracle, note });
  const content = (lines: readonly JobResultLine[]): string =>
    JSON.stringify(lines.map(({ custom_id, status, result }) => [custom_id, status, scoredOf(result ?? {})]).toSorted());
  if (content(job.lines) !== content(job.followed)) note('a line never changes', 'what was followed differs from what was read at the end');
  return found;
}

const idOf = ({ custom_id }: JobResultLine): string => custom_id ?? 'no id';

type Note = (rule: string, detail: string) => void;

function noteCounts({ body, plan, lines }: JobObservation, note: Note): void {
  const { request_counts: counts, progress, status } = body!;
  const of = (wanted: string): number => lines.filter((line) => line.status === wanted).length;
  const seen = {
    total: lines.length,
    processing: 0,
    succeeded: of('succeeded'),
    errored: of('errored'),
    cancelled: of('cancelled'),
    expired: of('expired'),
  };
  const differs = (Object.keys(seen) as (keyof typeof seen)[]).filter((name) => counts[name] !== seen[name]);
  if (differs.length > 0 || counts.total !== plan.rows.length)
    note('counters agree with results', `${JSON.stringify(counts)} for ${JSON.stringify(seen)} of ${plan.rows.length} rows`);
  if (status === 'completed' && progress.pairs_done !== progress.pairs_total)
    note('counters agree with results', `${progress.pairs_done} pairs done of ${String(progress.pairs_total)}`);
}

function noteLines(how: string, lines: readonly JobResultLine[], rows: readonly BatchRow[], note: Note): void {
  const times = new Map<string, number>();
  for (const id of lines.map(idOf)) times.set(id, (times.get(id) ?? 0) + 1);
  const lost = rows.filter(({ customId }) => !times.has(customId)).map(({ customId }) => customId);
  const doubled = [...times].filter(([, count]) => count > 1).map(([id]) => id);
  const known = new Set(rows.map(({ customId }) => customId));
  const strange = [...times.keys()].filter((id) => !known.has(id));
  const rule = 'a row has exactly one result';
  if (lost.length > 0) note(rule, `lost ${how}: ${lost.slice(0, 10).join(' ')}`);
  if (doubled.length > 0) note(rule, `doubled ${how}: ${doubled.slice(0, 10).join(' ')}`);
  if (strange.length > 0) note(rule, `nobody's ${how}: ${strange.slice(0, 10).join(' ')}`);
}

interface OutcomeCase {
  readonly job: JobObservation;
  readonly faults: readonly Fault[];
  readonly oracle: Oracle;
  readonly note: Note;
}

function noteOutcome(line: JobResultLine, row: BatchRow | undefined, { job, faults, oracle, note }: OutcomeCase): void {
  if (row === undefined) return;
  if (line.status === 'succeeded') {
    const expected = expectedOf(oracle, row.ask);
    const got = scoredOf(line.result);
    if (!sameScores(got, expected))
      note('outputs equal those without faults', `${idOf(line)}: ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
  } else if (line.status === 'cancelled') {
    if (job.plan.cancelAtMs === undefined) note('a row ends as it should', `${idOf(line)} was cancelled`);
  } else if (!(line.status === 'errored' && line.error?.code === 'internal_error' && mayConvict(faults)))
    note('a row ends as it should', `${idOf(line)}: ${line.status} ${JSON.stringify(line.error)}`);
}

function faultsOfDocuments({ allowed, stored, found, faults }: DocumentsObservation): Violation[] {
  const violations: Violation[] = faults.map((detail) => ({ rule: 'a write is accepted or may be tried again', detail }));
  const rule = 'what was accepted is stored, and what was deleted is not';
  for (const [id, states] of allowed) {
    const state = stored.get(id) ?? null;
    if (!states.has(state)) violations.push({ rule, detail: `${id} is ${JSON.stringify(state)}, allowed: ${JSON.stringify([...states])}` });
  }
  for (const id of stored.keys()) if (!allowed.has(id)) violations.push({ rule, detail: `${id} was never written` });
  for (const [mode, ids] of Object.entries(found)) {
    const seen = new Set(ids);
    const rule = 'searches find what is stored, and nothing else';
    for (const id of stored.keys()) if (!seen.has(id)) violations.push({ rule, detail: `${mode} does not find ${id}` });
    for (const id of seen) if (!stored.has(id)) violations.push({ rule, detail: `${mode} finds ${id}, which is not stored` });
    if (seen.size !== ids.length) violations.push({ rule, detail: `${mode} finds a document twice` });
  }
  return violations;
}

function faultsOfReindex(reindex: ReindexObservation | undefined): string[] {
  if (reindex === undefined) return [];
  const { body, others, unheard, fault, promotedVersion } = reindex;
  if (body === undefined) return [`it never began: ${fault ?? 'no answer'}`];
  if (body.status !== 'completed') return [`${body.status}: ${JSON.stringify(body.error ?? body.waiting ?? body.validation)}`];
  if (others.length > unheard) return [`${others.length} others came to their end, and ${unheard} starts were not heard of`];
  const last = Math.max(...[body, ...others].map(({ to_version }) => to_version));
  return promotedVersion === last ? [] : [`version ${promotedVersion} is promoted, not ${last}`];
}
