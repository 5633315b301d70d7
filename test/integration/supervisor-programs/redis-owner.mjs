/** Starts a Redis that is tied to this process by the guardian, as on systems without setpriv; to be killed. */
import { createLogs } from '@rerank-fleet/cli/up/prefixed-output';
import { resolveRedisBinary } from '@rerank-fleet/cli/up/redis-binary';
import { prepareRedis } from '@rerank-fleet/cli/up/redis-settings';
import { startRedis } from '@rerank-fleet/cli/up/start-redis';

const [directory, cacheDirectory] = process.argv.slice(2);
const { command } = await resolveRedisBinary({ cacheDirectory });
const settings = await prepareRedis(directory, new Set());
const log = createLogs({ write: () => undefined })('redis');
const child = await startRedis({ command, settings, log, signal: new AbortController().signal, forceGuardian: true });
process.send({ pid: child.pid });
