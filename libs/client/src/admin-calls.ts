import type {
  ApiKeyListBody,
  CreatedKeyBody,
  createKeyRequestSchema,
  DeadLetterListBody,
  DrainedQueueBody,
  QueueBody,
  RetriedDeadLetterBody,
  ScalingBody,
} from '@rerank-fleet/core/contracts';
import type { z } from 'zod';
import { ANSWERS } from './answer-schemas.js';
import type { CallOptions, HttpTransport } from './http-transport.js';
import { segment } from './url-segment.js';

export type CreateKeyParameters = z.input<typeof createKeyRequestSchema>;

export interface ListDeadLettersOptions extends CallOptions {
  /** Of this queue only. */
  readonly queue?: string | undefined;
  /** At most 1,000. @defaultValue 100 */
  readonly limit?: number | undefined;
}

/** Queues, dead letters and API keys of the fleet, for keys with the scope `operator`. */
export class AdminCalls {
  readonly #transport: HttpTransport;

  constructor(transport: HttpTransport) {
    this.#transport = transport;
  }

  /** How a pool stands, and how many workers it needs. */
  readScaling(pool = 'default', options: CallOptions = {}): Promise<ScalingBody> {
    const path = `/v1/scaling?pool=${segment(pool)}`;
    return this.#transport.send({ method: 'GET', path, answer: ANSWERS.scaling, idempotent: true }, options);
  }

  async listQueues(options: CallOptions = {}): Promise<QueueBody[]> {
    const list = await this.#transport.send({ method: 'GET', path: '/v1/admin/queues', answer: ANSWERS.queues, idempotent: true }, options);
    return list.data;
  }

  /** Workers take nothing more from it until it is resumed; what they have in hand goes on. */
  pauseQueue(name: string, options: CallOptions = {}): Promise<QueueBody> {
    return this.#transport.send({ method: 'POST', path: queuePath(name, 'pause'), answer: ANSWERS.queue, idempotent: true }, options);
  }

  resumeQueue(name: string, options: CallOptions = {}): Promise<QueueBody> {
    return this.#transport.send({ method: 'POST', path: queuePath(name, 'resume'), answer: ANSWERS.queue, idempotent: true }, options);
  }

  /** Takes out what waits; whoever waits for it is told. */
  drainQueue(name: string, options: CallOptions = {}): Promise<DrainedQueueBody> {
    // Not retried where it may have been done: the second would tell that nothing was there.
    return this.#transport.send(
      { method: 'POST', path: queuePath(name, 'drain'), answer: ANSWERS.drainedQueue, idempotent: false },
      options,
    );
  }

  /** Newest first. */
  listDeadLetters({ queue, limit, ...options }: ListDeadLettersOptions = {}): Promise<DeadLetterListBody> {
    const asked = [...(queue === undefined ? [] : [`queue=${segment(queue)}`]), ...(limit === undefined ? [] : [`limit=${limit}`])].join(
      '&',
    );
    const path = `/v1/admin/dead-letters${asked === '' ? '' : `?${asked}`}`;
    return this.#transport.send({ method: 'GET', path, answer: ANSWERS.deadLetters, idempotent: true }, options);
  }

  retryDeadLetter(id: string, options: CallOptions = {}): Promise<RetriedDeadLetterBody> {
    const path = `/v1/admin/dead-letters/${segment(id)}/retry`;
    return this.#transport.send({ method: 'POST', path, answer: ANSWERS.retriedDeadLetter, idempotent: false }, options);
  }

  async deleteDeadLetter(id: string, options: CallOptions = {}): Promise<void> {
    const path = `/v1/admin/dead-letters/${segment(id)}`;
    await this.#transport.send({ method: 'DELETE', path, answer: ANSWERS.nothing, idempotent: false }, options);
  }

  /** Those of the configuration, then the others, oldest first. */
  listKeys(options: CallOptions = {}): Promise<ApiKeyListBody> {
    return this.#transport.send({ method: 'GET', path: '/v1/admin/keys', answer: ANSWERS.keys, idempotent: true }, options);
  }

  /** The answer is the only place where the key is ever shown. */
  createKey(parameters: CreateKeyParameters, options: CallOptions = {}): Promise<CreatedKeyBody> {
    return this.#transport.send(
      { method: 'POST', path: '/v1/admin/keys', json: parameters, answer: ANSWERS.createdKey, idempotent: false },
      options,
    );
  }

  /** Every process of the service refuses the key within a second. */
  async deleteKey(id: string, options: CallOptions = {}): Promise<void> {
    const path = `/v1/admin/keys/${segment(id)}`;
    await this.#transport.send({ method: 'DELETE', path, answer: ANSWERS.nothing, idempotent: false }, options);
  }
}

function queuePath(name: string, action: 'pause' | 'resume' | 'drain'): string {
  return `/v1/admin/queues/${segment(name)}/${action}`;
}
