import type { FastifyInstance } from 'fastify';
import { describe, expect, it } from 'vitest';
import { parsePrometheus } from '../../../../test/support/prometheus-text.js';
import { ERROR_CODES } from '@rerank-fleet/core/errors';
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

  it('begins every code of an error, and every status of a documented route, with none', async () => {
    const metrics = createApiMetrics();
    meterRequests(instance, metrics);
    const families = parsePrometheus(await metrics.text());
    const codes = families.get('rerank_fleet_errors_total')?.samples;
    expect(codes?.map(({ labels, value }) => [labels['code'], value])).toEqual(ERROR_CODES.map((code) => [code, 0]));
    const answers = families.get('rerank_fleet_http_requests_total')?.samples ?? [];
    expect(new Set(answers.map(({ value }) => value))).toEqual(new Set([0]));
    const of = (route: string, method: string) =>
      answers.filter(({ labels }) => labels['route'] === route && labels['method'] === method).map(({ labels }) => labels['status']);
    expect(of('/v1/rerank', 'POST')).toEqual(expect.arrayContaining(['200', '400', '401', '403', '429', '500', '503', '504']));
    expect(of('/v1/corpora/:name', 'GET')).toEqual(expect.arrayContaining(['200', '404', '503']));
    expect(answers.length).toBeLessThan(2_000);
  });
});
