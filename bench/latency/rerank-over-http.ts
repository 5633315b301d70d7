import type { ForeignLoad } from '../support/foreign-load.ts';
import type { QueryWithDocuments } from '../support/bare-batches.ts';
import { unseen } from '../support/default-model.ts';
import type { BareCalls } from './bare-calls.ts';

/** What both parts of the bench need. */
export interface LatencyBench {
  readonly url: string;
  readonly calls: BareCalls;
  readonly load: ForeignLoad;
  readonly requests: readonly QueryWithDocuments[];
}

export interface TimedCall {
  /** Of the whole request, as the client sees it. */
  readonly ms: number;
  /** What the service says of it. */
  readonly timings: { readonly queue: number; readonly tokenize: number; readonly score: number; readonly total: number };
}

/** Candidates of one list do for several requests. */
export function sliceLists(lists: readonly QueryWithDocuments[], documents: number): QueryWithDocuments[] {
  return lists.flatMap(({ query, documents: all }) =>
    Array.from({ length: Math.floor(all.length / documents) }, (_, slice) => ({
      query,
      documents: all.slice(slice * documents, (slice + 1) * documents),
    })),
  );
}

/** `turn` is another one each time that the same documents are sent. */
export async function rerankOverHttp(url: string, { query, documents }: QueryWithDocuments, turn: number): Promise<TimedCall> {
  const body = JSON.stringify({ query, documents: unseen(documents, turn), explain: true });
  const started = performance.now();
  const response = await fetch(`${url}/v1/rerank`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  if (!response.ok) throw new Error(`/v1/rerank answered ${response.status}: ${await response.text()}`);
  const { timings_ms: timings } = (await response.json()) as { timings_ms: TimedCall['timings'] };
  return { ms: performance.now() - started, timings };
}
