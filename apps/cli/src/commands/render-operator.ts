import type { ApiKeyBody, DeadLetterBody, QueueBody, WhoamiBody } from '@rerank-fleet/client';
import { formatDuration } from '../terminal/duration.js';
import { formatCount } from '../terminal/progress.js';
import { renderTable } from '../terminal/table.js';

/** A line a queue. */
export function renderQueues(queues: readonly QueueBody[], columns: number): string {
  const titles = [
    { title: 'queue', stretch: true },
    { title: 'waiting', align: 'right' },
    { title: 'prioritized', align: 'right' },
    { title: 'delayed', align: 'right' },
    { title: 'in hand', align: 'right' },
    { title: 'dead', align: 'right' },
    { title: 'oldest', align: 'right' },
    { title: '' },
  ] as const;
  const rows = queues.map((queue) => [
    queue.name,
    formatCount(queue.waiting),
    formatCount(queue.prioritized),
    formatCount(queue.delayed),
    formatCount(queue.active),
    formatCount(queue.failed),
    queue.oldest_age_s === 0 ? '' : formatDuration(queue.oldest_age_s),
    queue.paused ? 'paused' : '',
  ]);
  return renderTable(titles, rows, columns);
}

/** A line a dead letter. */
export function renderDeadLetters(letters: readonly DeadLetterBody[], columns: number): string {
  const titles = [
    { title: 'dead letter' },
    { title: 'tenant' },
    { title: 'attempts', align: 'right' },
    { title: 'failed (UTC)' },
    { title: 'why', stretch: true },
  ] as const;
  const rows = letters.map(({ id, tenant = '', attempts, failed_at: failedAt, detail }) => [
    id,
    tenant,
    formatCount(attempts),
    instant(failedAt),
    detail,
  ]);
  return renderTable(titles, rows, columns);
}

/** A line a key. */
export function renderKeys(keys: readonly ApiKeyBody[], columns: number): string {
  const titles = [
    { title: 'id' },
    { title: 'key' },
    { title: 'tenant' },
    { title: 'scopes', stretch: true },
    { title: 'expires (UTC)' },
    { title: 'name' },
  ] as const;
  const rows = keys.map((key) => [
    key.id,
    key.hint ?? 'of API_KEYS',
    key.tenant,
    key.scopes.join(', '),
    key.expires_at === undefined ? '' : `${instant(key.expires_at)}${key.expired ? ', over' : ''}`,
    key.name ?? '',
  ]);
  return renderTable(titles, rows, columns);
}

/** A line a fact. */
export function renderWhoami({ tenant, scopes, key }: WhoamiBody): string {
  const name = key === undefined ? 'none was needed' : [key.id, key.name ?? ''].filter((part) => part !== '').join(', ');
  const facts = [
    ['tenant', tenant],
    ['scopes', scopes.join(', ')],
    ['key', name],
    ...(key?.expires_at === undefined ? [] : [['expires', `${instant(key.expires_at)} UTC`]]),
    ...(key?.sync_tokens === undefined ? [] : [['tokens', `${formatCount(key.sync_tokens)} in calls at once`]]),
  ];
  return facts.map(([title = '', fact = '']) => `${title.padEnd(9)}${fact}`).join('\n');
}

const instant = (epochSeconds: number): string => new Date(epochSeconds * 1_000).toISOString().slice(0, 16).replace('T', ' ');
