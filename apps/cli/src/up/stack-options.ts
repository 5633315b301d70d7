/** How often and how fast a child is started again. */
export interface RestartPolicy {
  /** Milliseconds before the first restart; doubles at each, with jitter. @defaultValue 500 */
  readonly minDelayMs: number;
  /** @defaultValue 30,000 */
  readonly maxDelayMs: number;
  /** A child that lived this long starts from `minDelayMs` again. @defaultValue 60,000 */
  readonly stableMs: number;
  /** Failed starts in a row, before the first success, after which the stack gives up. @defaultValue 5 */
  readonly firstStarts: number;
}

export const DEFAULT_RESTARTS: RestartPolicy = { minDelayMs: 500, maxDelayMs: 30_000, stableMs: 60_000, firstStarts: 5 };

export interface StackOptions {
  /** Everything the stack keeps. Made with mode 0700 if it is not there. */
  readonly stateDirectory: string;
  /** `…/rerank-fleet`: where a packaged redis-server lies. */
  readonly cacheDirectory: string;
  /** What the children's environment starts from. HOST, PORT, REDIS_URL and RERANK_STATE_DIR are set over it. */
  readonly environment: NodeJS.ProcessEnv;
  /** A Redis that runs; without it the stack runs one of its own. */
  readonly redisUrl?: string | undefined;
  /** Looked up on PATH. @defaultValue `redis-server` */
  readonly redisCommand?: string | undefined;
  readonly host?: string | undefined;
  /** 0 picks a free one. */
  readonly port?: number | undefined;
  /** Of the API's metrics and probes; the workers get those after it. 0 lets each pick a free one. @defaultValue there are none */
  readonly opsPort?: number | undefined;
  /** @defaultValue 1 */
  readonly workers?: number | undefined;
  /** Program of the API. @defaultValue the built one of this checkout */
  readonly apiEntry?: string | undefined;
  /** Program of the worker. @defaultValue the built one of this checkout */
  readonly workerEntry?: string | undefined;
  /** Gets every line of every process, prefixed. @defaultValue stderr */
  readonly output?: StackOutput | undefined;
  /** Milliseconds that API and workers have to end their work after `stop()`; then they are killed. @defaultValue 25,000 */
  readonly drainMs?: number | undefined;
  /** Milliseconds until API and workers must be ready for the first time. @defaultValue 180,000 */
  readonly readyTimeoutMs?: number | undefined;
  readonly restarts?: Partial<RestartPolicy> | undefined;
  /** Stops the stack, as `stop()` does. During the start the promise then rejects with the signal's reason, when everything has ended. */
  readonly signal?: AbortSignal | undefined;
  /** Ends it at once, as `kill()` does. */
  readonly forceSignal?: AbortSignal | undefined;
}

export interface StackOutput {
  readonly isTTY?: boolean | undefined;
  write(text: string): unknown;
}

export interface RunningStack {
  /** Base URL of the API. */
  readonly url: string;
  /** With its password. */
  readonly redisUrl: string;
  /** Process ids by name: `api`, `worker` (`worker-1` … where there are several), `redis`. They change when a child is started again. */
  pids(): ReadonlyMap<string, number>;
  /** Resolves when the stack has stopped; rejects with a StackError when it gave up by itself, after everything has ended. */
  readonly closed: Promise<void>;
  /** Drains: the API ends its requests, then the workers their tasks, then Redis saves. Calling it again changes nothing. */
  stop(): Promise<void>;
  /** Ends API and workers at once; Redis still saves. */
  kill(): Promise<void>;
}
