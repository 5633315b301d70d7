import { setTimeout as sleep } from 'node:timers/promises';
import { RerankError } from '@rerank-fleet/core/errors';
import type { ReindexParts } from './reindex-parts.js';
import type { ReindexSession } from './reindex-session.js';

/**
 * Does a step of a reindex until it is done: a store or a model that is away ends no reindex. The record says what it waits for.
 *
 * @throws the signal's reason
 */
export async function patiently<T>(parts: ReindexParts, session: ReindexSession, step: () => Promise<T>): Promise<T> {
  for (let failures = 0; ;) {
    session.signal.throwIfAborted();
    try {
      const value = await step();
      if (failures > 0) note(session, undefined);
      return value;
    } catch (error) {
      session.signal.throwIfAborted();
      failures += 1;
      parts.log.warn({ err: error, reindex: session.id, failures }, 'A step of a reindex failed; it is tried again.');
      note(session, error);
      // The corpus may be gone, which ends it.
      await session.look();
      await sleep(parts.pauseMs(failures, error), undefined, { signal: session.signal }).catch(() => undefined);
    }
  }
}

function note(session: ReindexSession, error: unknown): void {
  const { waiting: _, ...progress } = session.progress;
  if (error === undefined) session.progress = progress;
  else if (error instanceof RerankError) session.progress = { ...progress, waiting: { code: error.code, detail: error.detail } };
  else
    session.progress = {
      ...progress,
      waiting: { code: 'internal_error', detail: 'It could not be done; the log of the worker says why.' },
    };
}
