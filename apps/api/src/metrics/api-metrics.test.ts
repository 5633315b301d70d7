import type { FastifyInstance } from 'fastify';
import { describe, expect, it } from 'vitest';
import { parsePrometheus } from '../../../../test/support/prometheus-text.js';
import { REFUSAL_REASONS } from '../admission/admission-error.js';
import { createApiMetrics, meterRequests } from './api-metrics.js';

const instance = { addHook: () => undefined } as unknown as FastifyInstance;

describe(meterRequests, () => {
  it('begins every reason of a refusal with none, so that the first is an increase', async () => {
    const metrics = createApiMetrics();
    meterRequests(instance, metrics);
    const samples = parsePrometheus(await metrics.text()).get('rerank_fleet_admission_refused_total')?.samples;
    expect(samples?.map(({ labels, value }) => [labels['reason'], value])).toEqual(REFUSAL_REASONS.map((reason) => [reason, 0]));
  });
});
