/** Takes tasks and never ends one; to be killed. */
import { BullmqJobQueue } from '@rerank-fleet/core/adapters/bullmq/bullmq-job-queue';

const [url, lane, lockMs] = process.argv.slice(2);
const queue = await BullmqJobQueue.open({ url });
const never = new Promise(() => undefined);
const handler = async ({ id }) => {
  process.send({ taken: id });
  await never;
};
await queue.consume(lane, handler, { concurrency: 1, lockMs: Number(lockMs) });
