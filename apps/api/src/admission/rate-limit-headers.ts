import type { FastifyInstance } from 'fastify';
import { z } from 'zod';

/** What a tenant has left, as it was when its call was admitted or refused. */
export interface RateLimit {
  /** Estimated tokens. */
  readonly limit: number;
  readonly remaining: number;
  /** Seconds until all of them are expected to be free. */
  readonly resetS: number;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of a metered call that came so far. */
    rateLimit: RateLimit | null;
  }
}

/** As the document names them. */
export const RATE_LIMIT_HEADERS = z.object({
  'X-RateLimit-Limit-Tokens': z.int().meta({ description: 'Estimated tokens that the tenant may have in calls at once.' }),
  'X-RateLimit-Remaining-Tokens': z.int().meta({ description: 'How many of them are free, this call counted.' }),
  'X-RateLimit-Reset-Tokens': z.int().meta({ description: 'Seconds until all of them are expected to be free.' }),
});

/** Says on each metered answer, also on errors and in any dialect, what is left. */
export function tellRateLimits(instance: FastifyInstance): void {
  instance.decorateRequest('rateLimit', null);
  instance.addHook('onSend', async ({ rateLimit }, reply) => {
    if (rateLimit === null) return;
    void reply.headers({
      'x-ratelimit-limit-tokens': String(rateLimit.limit),
      'x-ratelimit-remaining-tokens': String(rateLimit.remaining),
      'x-ratelimit-reset-tokens': String(rateLimit.resetS),
    });
  });
}
