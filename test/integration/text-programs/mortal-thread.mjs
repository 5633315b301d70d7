/** A text thread that dies of some texts: `dies-once` where nobody died of it before, as the file beside it says, and `dies-always`. Of `hangs` it never comes back. */
import { existsSync, writeFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

const marker = `${workerData.models[0].tokenizerPath}.died`;
parentPort.on('message', (message) => {
  const said = JSON.stringify(message);
  while (said.includes('hangs'));
  if (said.includes('dies-always')) process.exit(7);
  if (!said.includes('dies-once') || existsSync(marker)) return;
  writeFileSync(marker, '');
  process.exit(7);
});
await import('@rerank-fleet/worker/tokenization/text-thread');
