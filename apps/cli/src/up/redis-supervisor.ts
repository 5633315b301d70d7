import type { PrefixedLog } from './prefixed-output.js';
import { resolveRedisBinary } from './redis-binary.js';
import { prepareRedis, type RedisSettings } from './redis-settings.js';
import type { StackError } from './stack-error.js';
import type { RestartPolicy, StackOptions } from './stack-options.js';
import { PortTakenError, startRedis } from './start-redis.js';
import { privateFolder } from './state-directory.js';
import { SupervisedProcess } from './supervised-process.js';

const PORT_ATTEMPTS = 5;

export interface PrivateRedis {
  readonly url: string;
  readonly process: SupervisedProcess;
}

export interface PrivateRedisOptions {
  readonly stack: StackOptions;
  readonly restarts: RestartPolicy;
  readonly log: PrefixedLog;
  readonly signal: AbortSignal;
  readonly onGivenUp: (error: StackError) => void;
}

const urlOf = ({ password, port }: RedisSettings): string => `redis://:${password}@127.0.0.1:${port}`;

/**
 * Starts the stack's own Redis and keeps it running on its port. Resolves when it serves.
 *
 * @throws StackError
 */
export async function startPrivateRedis(options: PrivateRedisOptions): Promise<PrivateRedis> {
  const { stack, restarts, log, signal, onGivenUp } = options;
  const onNote = (line: string): void => {
    log.line(line);
  };
  const binary = await resolveRedisBinary({ cacheDirectory: stack.cacheDirectory, command: stack.redisCommand, signal, onNote });
  const directory = privateFolder(stack.stateDirectory, 'redis');
  const taken = new Set<number>();
  let settings = await prepareRedis(directory, taken);
  for (let attempt = 1; ; attempt += 1) {
    try {
      const first = await startRedis({ command: binary.command, settings, log, signal });
      let pending: typeof first | undefined = first;
      const process = new SupervisedProcess({
        name: 'redis',
        log,
        restarts,
        onGivenUp,
        start: async (onSpawn) => {
          const child = pending ?? (await startRedis({ command: binary.command, settings, log, signal }));
          pending = undefined;
          onSpawn(child);
          return { child };
        },
      });
      return { url: urlOf(settings), process };
    } catch (error) {
      if (!(error instanceof PortTakenError) || attempt === PORT_ATTEMPTS) throw error;
      // Somebody took it between our look and Redis' bind.
      taken.add(settings.port);
      settings = await prepareRedis(directory, taken);
    }
  }
}
