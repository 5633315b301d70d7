import type { healthSchema } from '@rerank-fleet/core/contracts';
import type { z } from 'zod';

export type HealthBody = z.infer<typeof healthSchema>;

export type HealthCheck = () => Promise<unknown>;

const CHECK_TIMEOUT_MS = 2_000;

/** Whether this process can take requests. Workers are not asked: a fleet without any still accepts, waits and answers. */
export class HealthService {
  readonly #checks: Readonly<Record<string, HealthCheck>>;
  readonly #onFailure: (check: string, error: unknown) => void;

  constructor(checks: Readonly<Record<string, HealthCheck>>, onFailure: (check: string, error: unknown) => void) {
    this.#checks = checks;
    this.#onFailure = onFailure;
  }

  live(): HealthBody {
    return { status: 'ok', checks: {} };
  }

  async ready(): Promise<HealthBody> {
    const results = await Promise.all(
      Object.entries(this.#checks).map(async ([name, check]) => [name, await this.#run(name, check)] as const),
    );
    return { status: results.every(([, result]) => result.status === 'ok') ? 'ok' : 'error', checks: Object.fromEntries(results) };
  }

  async #run(name: string, check: HealthCheck): Promise<HealthBody['checks'][string]> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
    });
    try {
      await Promise.race([check(), late]);
      return { status: 'ok' };
    } catch (error) {
      this.#onFailure(name, error);
      return { status: 'error', detail: 'cannot be reached; the log says why' };
    } finally {
      clearTimeout(timer);
    }
  }
}
