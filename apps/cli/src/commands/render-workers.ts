import type { WorkerBody } from '@rerank-fleet/client';
import { formatCount } from '../terminal/progress.js';
import { renderTable } from '../terminal/table.js';

const MIB = 1_048_576;

/** One line a worker: the shape of its engine, how fast it is and how well its batches are filled. */
export function renderWorkers(workers: readonly WorkerBody[], columns: number): string {
  const titles = [
    { title: 'worker', stretch: true },
    { title: 'pool', maxWidth: 16 },
    { title: 'engine' },
    { title: 'pairs/s', align: 'right' },
    { title: 'fill', align: 'right' },
    { title: 'padding', align: 'right' },
    { title: 'cache', align: 'right' },
    { title: 'memory', align: 'right' },
    { title: 'seen', align: 'right' },
  ] as const;
  const rows = workers.map((worker) => [
    worker.id,
    worker.pool,
    describeEngine(worker),
    worker.pairs_per_s === undefined ? '' : formatCount(Math.round(worker.pairs_per_s)),
    percent(worker.batch_fill),
    percent(worker.padding_waste),
    percent(worker.cache_hit_rate),
    worker.rss_bytes === undefined ? '' : `${formatCount(Math.round(worker.rss_bytes / MIB))} MiB`,
    describeLife(worker),
  ]);
  return renderTable(titles, rows, columns);
}

/**
 * `cpu 2x1 1,024 tuned`: device, sessions × threads of each, padded tokens of a batch. Where segments of the default model have other budgets, theirs follow in the order of the
 * layers: `segments 512/1,024/1,024`.
 */
function describeEngine({ device, engine }: WorkerBody): string {
  if (engine === undefined) return device;
  const { sessions, intra_op_threads: threads, max_batch_tokens: tokens, tuned } = engine;
  const segments = (engine.models?.[0]?.segments ?? []).map((segment) => segment.max_batch_tokens);
  const others = segments.every((own) => own === tokens) ? '' : `, segments ${segments.map(formatCount).join('/')}`;
  return `${device} ${sessions}x${threads} ${formatCount(tokens)}${tuned ? ' tuned' : ''}${others}`;
}

function describeLife({ state, heartbeat_age_ms: ageMs }: WorkerBody): string {
  if (state === 'draining') return 'draining';
  return ageMs === undefined ? '' : `${Math.round(ageMs / 1_000)} s ago`;
}

const percent = (ratio: number | undefined): string => (ratio === undefined ? '' : `${Math.round(ratio * 100)} %`);
