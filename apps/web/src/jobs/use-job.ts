import { hasEnded, type RerankClient } from '@rerank-fleet/client';
import type { JobBody } from '@rerank-fleet/core/contracts';
import { useEffect, useState } from 'preact/hooks';
import { useService } from '../app/service.js';

export interface FollowedJob {
  readonly job: JobBody | undefined;
  readonly error: unknown;
  /** Reads it anew, and follows it again. */
  readonly reload: () => void;
}

/** A job as it changes, until it has ended. */
export function useJob(id: string): FollowedJob {
  const { client } = useService();
  const [round, setRound] = useState(0);
  const [state, setState] = useState<{ job?: JobBody; error?: unknown }>({});
  useEffect(() => {
    const stop = new AbortController();
    const show = (job: JobBody): void => {
      if (!stop.signal.aborted) setState({ job });
    };
    follow({ client, id, show, signal: stop.signal }).catch((error: unknown) => {
      if (!stop.signal.aborted) setState((before) => ({ ...before, error }));
    });
    return () => stop.abort();
  }, [client, id, round]);
  return { job: state.job, error: state.error, reload: () => setRound((count) => count + 1) };
}

interface Following {
  readonly client: RerankClient;
  readonly id: string;
  readonly show: (job: JobBody) => void;
  readonly signal: AbortSignal;
}

/** Batches tell their changes themselves; uploads of documents are asked. */
async function follow({ client, id, show, signal }: Following): Promise<void> {
  const job = await client.getJob(id, { signal });
  show(job);
  if (hasEnded(job)) return;
  if (job.kind === 'ingest') {
    await client.waitForJob(id, { signal, onProgress: show });
    return;
  }
  for await (const state of client.jobEvents(id, { signal })) show(state);
}
