/**
 * `rerank up` as a process of its own, with short pauses between restarts: runs a stack as its argument says, tells its process ids when asked, and is there to be
 * killed. Its stack's output goes to CHAOS_FOLDER/log.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { startStack } from '@rerank-fleet/cli/up/start-stack';

const { childOptions, ...options } = JSON.parse(process.argv[2]);
const log = join(process.env.CHAOS_FOLDER, 'log');

process.on('disconnect', () => process.exit(0));
const stack = await startStack({
  ...options,
  environment: { ...process.env, NODE_OPTIONS: childOptions },
  output: { write: (text) => appendFileSync(log, text) },
});
const tell = () => process.send({ url: stack.url, redisUrl: stack.redisUrl, pids: [...stack.pids()] });
process.on('message', tell);
process.on('SIGTERM', () => void stack.stop().then(() => process.exit(0)));
stack.closed.catch((error) => {
  appendFileSync(log, `gave up: ${error.message}\n`);
  process.exit(1);
});
tell();
