import type { Redis } from 'ioredis';
import { KEY_PREFIX } from './redis-connection.js';

export const RESULT_CHANNEL = `${KEY_PREFIX}:results`;
/** Where one process hears of the results that it alone waits for, the small ones with what they are: "{task id}\n{result}". */
export const replyChannel = (inbox: string): string => `${RESULT_CHANNEL}:${inbox}`;
export const CANCEL_CHANNEL = `${KEY_PREFIX}:cancels`;
export const resultKey = (taskId: string): string => `${KEY_PREFIX}:result:${taskId}`;
export const cancelKey = (taskId: string): string => `${KEY_PREFIX}:cancelled:${taskId}`;
const fenceKey = (taskId: string): string => `${KEY_PREFIX}:fence:${taskId}`;
const givenBackKey = (taskId: string): string => `${KEY_PREFIX}:given-back:${taskId}`;

/** Of work without a deadline: longer than any task waits in a queue. */
const FENCE_TTL_MS = 7 * 24 * 3_600_000;

/**
 * KEYS[1] fence, KEYS[2] result. ARGV[1] the caller's fence, ARGV[2] result, ARGV[3] its TTL in ms, ARGV[4] channel, ARGV[5] task id, ARGV[6] 1 if the result is
 * to be in the message.
 * Returns 1 if the result is now the caller's, 0 if the task has another holder or has its result already.
 */
const PUBLISH = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[6] == '1' and ARGV[5] .. '\\n' .. ARGV[2] or ARGV[5])
return 1
`;

const TAKE = `
  local fence = redis.call('INCR', KEYS[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  local attempt = tonumber(ARGV[2])
  if attempt >= 0 and fence - 1 - attempt > 0 then
    redis.call('INCR', KEYS[2])
    redis.call('PEXPIRE', KEYS[2], ARGV[3])
  end
  return fence`;

/** A larger result is read by who waits for it: a message is copied for each connection that hears it. In UTF-16 units. */
const INLINE_LENGTH = 65_536;

export interface PublishOptions {
  /** How long the result is kept. */
  readonly ttlMs: number;
  /** Inbox of the process that waits. @defaultValue all are told that the result is there */
  readonly replyTo?: string | undefined;
}

/** The worker's side of results: a fence at pick-up, one write under it. */
export class ResultBoard {
  readonly #redis: Redis;

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /**
   * Takes a task; earlier holders can no longer publish. Returns how often the task was taken, this time included. The fence is kept for `ttlMs`: no
   * longer than the task can be published, or each sync call would leave a key for days.
   *
   * With `attempt`, the number of tries that failed in order: a task that was taken more often than that counts as given back at once, until it is taken anew to run. A
   * worker may die of another task before this one has run at all.
   */
  async takeFence(taskId: string, ttlMs = FENCE_TTL_MS, attempt?: number): Promise<number> {
    const keys = [fenceKey(taskId), givenBackKey(taskId)];
    const values = [Math.max(1, Math.ceil(ttlMs)), attempt ?? -1, FENCE_TTL_MS];
    return (await this.#redis.eval(TAKE, keys.length, ...keys, ...values)) as number;
  }

  /** Notes that a worker which stopped in order left the task undone: being taken again is no sign of a death then. */
  async giveBack(taskId: string): Promise<void> {
    await this.#redis.multi().incr(givenBackKey(taskId)).pexpire(givenBackKey(taskId), FENCE_TTL_MS).exec();
  }

  /** The task has ended: should its id be queued anew, it starts anew. */
  async forget(taskId: string): Promise<void> {
    await this.#redis.del(fenceKey(taskId), givenBackKey(taskId));
  }

  /**
   * Answers a task that nobody has taken and nobody will, as it is in no queue any more. Write-once: false if it has its result already.
   */
  async answerUntaken(taskId: string, result: string, ttlMs: number): Promise<boolean> {
    const written = await this.#redis.set(resultKey(taskId), result, 'PX', Math.max(1, Math.ceil(ttlMs)), 'NX');
    if (written === null) return false;
    await this.#redis.publish(RESULT_CHANNEL, taskId);
    return true;
  }

  /** How often the task was given back. */
  async timesGivenBack(taskId: string): Promise<number> {
    return Number((await this.#redis.get(givenBackKey(taskId))) ?? 0);
  }

  /** Write-once, under the fence. Returns false if another holder took the task since, or the result is there. */
  async publish(taskId: string, fence: number, result: string, { ttlMs, replyTo }: PublishOptions): Promise<boolean> {
    const written = await this.#redis.eval(
      PUBLISH,
      2,
      fenceKey(taskId),
      resultKey(taskId),
      String(fence),
      result,
      String(Math.max(1, Math.ceil(ttlMs))),
      replyTo === undefined ? RESULT_CHANNEL : replyChannel(replyTo),
      taskId,
      replyTo !== undefined && result.length <= INLINE_LENGTH ? '1' : '0',
    );
    return written === 1;
  }

  async hasResult(taskId: string): Promise<boolean> {
    return (await this.#redis.exists(resultKey(taskId))) === 1;
  }
}
