import { RerankClient, RerankConnectionError, type JobResultLine } from '@rerank-fleet/client';
import { setTimeout as sleep } from 'node:timers/promises';
import { callOnce, succeeded } from './http-call.ts';
import { bodyOf, type Ask } from './oracle.ts';
import type { Random } from './random.ts';
import { drawAsk } from './sync-load.ts';

const SUBMIT_PATIENCE_MS = 30_000;
const RESUBMIT_MS = 150;
/** Longest outage that a reader of results lives through. */
const OUTAGE_MS = 120_000;

export interface BatchRow {
  readonly customId: string;
  readonly ask: Ask;
}

export interface BatchPlan {
  readonly key: string;
  readonly rows: readonly BatchRow[];
  /** Milliseconds from the start of the faults until it is cancelled; undefined: never. */
  readonly cancelAtMs?: number;
  /** Milliseconds from the start of the faults until it is submitted. */
  readonly atMs: number;
}

export function drawBatches(
  random: Random,
  seed: number,
  { rows, windowMs }: { readonly rows: number; readonly windowMs: number },
): BatchPlan[] {
  return Array.from({ length: random.whole(1, 2) }, (_, number) => ({
    key: `chaos-${seed}-${number}`,
    atMs: random.whole(0, Math.floor(windowMs / 2)),
    rows: Array.from({ length: random.whole(Math.ceil(rows / 4), rows) }, (__, row) => ({ customId: `r${row}`, ask: drawAsk(random, 24) })),
    ...(random.chance(0.2) ? { cancelAtMs: random.whole(Math.floor(windowMs / 2), windowMs) } : {}),
  }));
}

/** A batch job from its submission to its last line, through all faults. */
export class BatchRun {
  readonly plan: BatchPlan;
  /** Undefined until it is accepted. */
  id: string | undefined;
  /** Ids that the service named for the key of this job. */
  readonly ids = new Set<string>();
  /** Lines that a reader who follows the job has got, in their order. */
  readonly followed: JobResultLine[] = [];
  /** What a reader met that no retry mends. */
  fault: string | undefined;
  cancelled = false;
  readonly done: Promise<void>;
  readonly #url: () => string;
  readonly #giveUp = new AbortController();

  constructor(url: () => string, plan: BatchPlan) {
    this.plan = plan;
    this.#url = url;
    this.done = this.#run().catch((error: unknown) => {
      this.fault = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    });
  }

  abandon(): void {
    this.#giveUp.abort(new Error('The job did not end in its time.'));
  }

  async #run(): Promise<void> {
    const startedAt = performance.now();
    await sleep(this.plan.atMs);
    this.id = await this.#submit();
    const { cancelAtMs } = this.plan;
    const cancel = cancelAtMs === undefined ? undefined : this.#cancel(startedAt + cancelAtMs);
    await this.#follow(this.id);
    await cancel;
  }

  /** The client goes on by itself where it is cut off, but not where nobody is there when it begins. */
  async #follow(id: string): Promise<void> {
    const client = new RerankClient({ baseUrl: this.#url() });
    for (;;) {
      const after = this.followed.at(-1)?.cursor;
      const options = { follow: true, outageMs: OUTAGE_MS, signal: this.#giveUp.signal, ...(after === undefined ? {} : { after }) };
      try {
        for await (const line of client.jobResults(id, options)) this.followed.push(line);
        return;
      } catch (error) {
        if (!(error instanceof RerankConnectionError)) throw error;
        await sleep(RESUBMIT_MS);
      }
    }
  }

  /** As a client would: the same key until an answer comes. */
  async #submit(): Promise<string> {
    const requests = this.plan.rows.map(({ customId, ask }) => ({ custom_id: customId, ...bodyOf(ask) }));
    for (;;) {
      this.#giveUp.signal.throwIfAborted();
      const outcome = await callOnce(`${this.#url()}/v1/jobs`, {
        json: { requests },
        headers: { 'idempotency-key': this.plan.key },
        patienceMs: SUBMIT_PATIENCE_MS,
      });
      if (outcome.kind === 'answered' && succeeded(outcome)) {
        const { id } = outcome.body as { id: string };
        this.ids.add(id);
        return id;
      }
      if (outcome.kind === 'answered' && outcome.status < 500 && outcome.status !== 429)
        throw new Error(`The job was refused: ${JSON.stringify(outcome.body)}`);
      await sleep(RESUBMIT_MS);
    }
  }

  async #cancel(at: number): Promise<void> {
    await sleep(Math.max(0, at - performance.now()));
    while (!this.#giveUp.signal.aborted && !this.cancelled) {
      const outcome = await callOnce(`${this.#url()}/v1/jobs/${this.id!}/cancel`, { method: 'POST', patienceMs: SUBMIT_PATIENCE_MS });
      this.cancelled = succeeded(outcome);
      if (!this.cancelled) await sleep(RESUBMIT_MS);
    }
  }
}
