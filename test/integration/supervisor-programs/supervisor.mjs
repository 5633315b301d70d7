/** A supervisor to be killed: starts a stack as its argument says, and tells its process ids. */
import { startStack } from '@rerank-fleet/cli/up/start-stack';

const stack = await startStack({ ...JSON.parse(process.argv[2]), environment: process.env, output: { write: () => undefined } });
process.send({ url: stack.url, redisUrl: stack.redisUrl, pids: [...stack.pids()] });
process.on('SIGTERM', () => void stack.stop().then(() => process.disconnect()));
