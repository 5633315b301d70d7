import type { RedisKey } from './observation.ts';

interface Rule {
  readonly pattern: RegExp;
  /** Longest life of a key of this kind; undefined: it may stay for ever. */
  readonly lifeMs?: number;
  /** Most keys of this kind. */
  readonly most: number;
  /** Most entries of one. */
  readonly entries?: number;
}

const S = 1_000;
const DAY = 24 * 3_600 * S;
const QUEUE = '(sync-default|batch-default|express-default|ingest|webhooks)';
/** Calls name at most 12 s; a result, a body and a fence outlive the deadline by 60 s, a mark of a cancelled call by twice that. */
const CALL_MS = 12 * S + 2 * 60 * S;
/** Calls of a run, and then some. */
const CALLS = 5_000;

/** Every key that may be there when all jobs have ended and gone. What is not in it is a leak. */
const RULES: readonly Rule[] = [
  { pattern: /^seq$/, most: 1 },
  { pattern: /^(workers|pools|speeds)$/, most: 3, entries: 16 },
  { pattern: /^worker:/, lifeMs: 15 * S, most: 64 },
  { pattern: /^demand:/, lifeMs: 120 * S, most: 1 },
  { pattern: /^turn:/, lifeMs: DAY, most: 16 },
  { pattern: /^reindex:hint$/, most: 1 },
  { pattern: /^(result|fence|body|cancelled):[0-9a-f-]{36}$/, lifeMs: CALL_MS, most: 4 * CALLS },
  // A task without a deadline: its result is kept ten minutes; its fence goes with its end, or seven days after the crash that kept it from going.
  { pattern: /^result:job_/, lifeMs: 600 * S, most: CALLS },
  { pattern: /^cancelled:job_/, lifeMs: 3_600 * S, most: 64 },
  { pattern: /^(fence|given-back):/, lifeMs: 7 * DAY, most: 64 },
  { pattern: /^admission:(tenant|pool):/, lifeMs: 3_600 * S, most: 8, entries: 64 },
  // An upload whose API died keeps its room until two minutes have gone by and another comes.
  { pattern: /^admission:(jobs|files):default$/, most: 2, entries: 3 + 2 * 8 },
  { pattern: /^admission:(jobs|files):default:uploads$/, most: 2, entries: 8 },
  { pattern: /^batch:(pools|times:default|express:default)$/, most: 3, entries: 8 },
  { pattern: new RegExp(`^${QUEUE}:(meta|id|marker|stalled-check|stalled|pc|limiter)$`), most: 64, entries: 16 },
  // Trimmed to about a thousand.
  { pattern: new RegExp(`^${QUEUE}:events$`), most: 8, entries: 2_500 },
];

const PREFIX = '{rf}:';

/** Keys that nobody will ever take away, that live too long, or of which there are too many. */
export function faultsOfKeys(keys: readonly RedisKey[]): string[] {
  const counts = new Map<Rule, number>();
  const faults = keys.flatMap((key) => {
    const rule = key.name.startsWith(PREFIX) ? RULES.find(({ pattern }) => pattern.test(key.name.slice(PREFIX.length))) : undefined;
    if (rule === undefined) return [`${key.name} (${key.size} entries, ${key.ttlMs === undefined ? 'for ever' : `${key.ttlMs} ms`})`];
    counts.set(rule, (counts.get(rule) ?? 0) + 1);
    const { lifeMs, entries = Infinity } = rule;
    if (lifeMs !== undefined && (key.ttlMs === undefined || key.ttlMs > lifeMs))
      return [`${key.name} lives ${key.ttlMs === undefined ? 'for ever' : `${key.ttlMs} ms`}, at most ${lifeMs} ms are right`];
    return key.size > entries ? [`${key.name} has ${key.size} entries`] : [];
  });
  for (const [{ pattern, most }, count] of counts) if (count > most) faults.push(`${count} keys are like ${pattern.source}`);
  return faults;
}
