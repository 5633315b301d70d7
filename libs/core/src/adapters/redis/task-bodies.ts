import type { Redis } from 'ioredis';
import type { TaskBody, TaskPayload } from '../../contracts/index.js';
import { KEY_PREFIX, orQueueUnavailable } from './redis-connection.js';

/** A larger body lies beside its task, so that moving the task between queues stays cheap. */
const INLINE_BYTES = 65_536;
const bodyKey = (taskId: string): string => `${KEY_PREFIX}:body:${taskId}`;

/** Bodies of tasks that are too large to travel through the queue. */
export class TaskBodies {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /** The payload fields that carry the body; stores it first where it is large. */
  async pack(taskId: string, body: TaskBody, ttlMs: number): Promise<Pick<TaskPayload, 'body' | 'body_ref'>> {
    const text = JSON.stringify(body);
    if (text.length <= INLINE_BYTES) return { body };
    await orQueueUnavailable(this.#redis.set(bodyKey(taskId), text, 'PX', Math.ceil(ttlMs)));
    return { body_ref: bodyKey(taskId) };
  }

  /** Undefined if it has expired. */
  async fetch(bodyRef: string): Promise<unknown> {
    const text = await this.#redis.get(bodyRef);
    return text === null ? undefined : (JSON.parse(text) as unknown);
  }

  async drop(bodyRef: string): Promise<void> {
    await this.#redis.del(bodyRef);
  }
}
