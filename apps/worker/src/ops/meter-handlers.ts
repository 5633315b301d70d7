import type { TaskOutcome } from '@rerank-fleet/core/contracts';
import { RerankError } from '@rerank-fleet/core/errors';
import type { TaskContext, TaskHandlers } from '../tasks/task-processor.js';
import type { WorkerInstruments } from './worker-metrics.js';

type Handler = (body: never, context: TaskContext) => Promise<TaskOutcome>;

/** The same handlers, timed. */
export function meterHandlers(handlers: TaskHandlers, instruments: WorkerInstruments): TaskHandlers {
  const metered = Object.entries(handlers as Readonly<Record<string, Handler>>).map(
    ([kind, handler]) => [kind, meter(kind, handler, instruments)] as const,
  );
  return Object.fromEntries(metered) as unknown as TaskHandlers;
}

function meter(kind: string, handler: Handler, { queueWait, taskDuration, retrieve, tokenize }: WorkerInstruments): Handler {
  return async (body, context) => {
    const started = performance.now();
    const end = (code: string): void => taskDuration.observeMs(performance.now() - started, { kind, code });
    queueWait.observeMs(context.queueMs, { kind });
    try {
      const outcome = await handler(body, context);
      end('ok');
      if (outcome.kind === 'search')
        retrieve.observeMs(outcome.timings_ms.retrieve ?? 0, { mode: (body as { readonly mode: string }).mode });
      if ('timings_ms' in outcome && outcome.timings_ms.tokenize !== undefined) tokenize.observeMs(outcome.timings_ms.tokenize, { kind });
      return outcome;
    } catch (error) {
      end(codeOf(context.signal.aborted ? context.signal.reason : error));
      throw error;
    }
  };
}

/** Codes of the catalogue; or why a worker let go of a task: `cancelled`, `given_back`. */
function codeOf(error: unknown): string {
  if (error instanceof RerankError) return error.code;
  if (!(error instanceof Error)) return 'internal_error';
  if (error.name === 'GivenBackError') return 'given_back';
  return error.name === 'TaskCancelledError' ? 'cancelled' : 'internal_error';
}
