import type { TaskPayload } from '@rerank-fleet/core/contracts';
import { beginWork, inFrame, inNewWork, spanNow } from '@rerank-fleet/core/observability';

/**
 * Runs a task in a frame of its own: its log lines have its ids, and its spans go on from whoever queued it. Work that nobody waits for is a trace of its own, linked
 * to what caused it. A slice of a batch has its span where its job is known.
 */
export async function inTask(
  { id, request_id: requestId, traceparent, deadline_ms: deadlineMs, body, pool }: TaskPayload,
  { attempt, queueMs }: { readonly attempt: number; readonly queueMs: number },
  work: () => Promise<void>,
): Promise<void> {
  const fields = { request_id: requestId, task_id: id };
  if (body?.kind === 'batch') {
    await inFrame({ fields }, work);
    return;
  }
  const isAwaited = deadlineMs !== undefined;
  const takenAt = performance.now();
  const attributes = {
    'messaging.system': 'bullmq',
    'messaging.message.id': id,
    'rerank.request_id': requestId,
    'rerank.task.attempt': attempt,
    'rerank.pool': pool,
  } as const;
  const origin = isAwaited ? { parent: traceparent } : { cause: traceparent };
  const hasCaller = isAwaited && traceparent !== undefined;
  const waited = { startedAt: takenAt - queueMs, endedAt: takenAt };
  if (hasCaller) beginWork('queue wait', fields, { ...origin, ...waited }).span?.end(takenAt);
  await inNewWork('process task', fields, { ...origin, kind: 'consumer', startedAt: takenAt, attributes }, async () => {
    if (!hasCaller) spanNow()?.record('queue wait', waited);
    await work();
  });
}
