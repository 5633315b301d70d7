import { API_METRICS, inFrame, MetricSet } from '@rerank-fleet/core/observability';
import { ERROR_CODES } from '@rerank-fleet/core/errors';
import type { FastifyInstance } from 'fastify';
import { REFUSAL_REASONS } from '../admission/admission-error.js';
import type { TaskDispatcher } from '../dispatch/task-dispatcher.js';
import { knownAnswers } from './known-answers.js';

export type ApiMetrics = MetricSet<typeof API_METRICS>;

export function createApiMetrics(): ApiMetrics {
  return new MetricSet(API_METRICS);
}

/** Counts every answer, by the route's pattern: a path may hold a document id. */
export function meterRequests(instance: FastifyInstance, { instruments }: ApiMetrics): void {
  const { httpRequests, httpDuration, errors, refused } = instruments;
  // A counter that begins with the first of its kind hides it: Prometheus sees no increase.
  for (const reason of REFUSAL_REASONS) refused.add(0, { reason });
  for (const code of ERROR_CODES) errors.add(0, { code });
  for (const answer of knownAnswers()) httpRequests.add(0, answer);
  instance.addHook('onResponse', async (request, reply) => {
    const labels = { route: request.routeOptions.url ?? 'unknown', method: request.method };
    httpRequests.add(1, { ...labels, status: String(reply.statusCode) });
    inFrame(request.work ?? undefined, () => httpDuration.observeMs(performance.now() - request.arrivedAt, labels));
    if (request.failure !== null) errors.add(1, { code: request.failure });
    if (request.refusal !== null) refused.add(1, { reason: request.refusal });
  });
}

type Dispatcher = Pick<TaskDispatcher, 'call' | 'submit'>;

/** The same dispatcher; what it waits for is counted. */
export function meterDispatcher(dispatcher: Dispatcher, { instruments: { syncOutstanding } }: ApiMetrics): Dispatcher {
  let outstanding = 0;
  const add = (change: number): void => syncOutstanding.set((outstanding += change));
  add(0);
  return {
    call: async (call) => {
      add(1);
      try {
        return await dispatcher.call(call);
      } finally {
        add(-1);
      }
    },
    submit: (task) => dispatcher.submit(task),
  };
}
