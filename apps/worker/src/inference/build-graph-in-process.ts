import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { silenceModelRuntime } from '@rerank-fleet/core/config';
import type { GraphRecord } from '../graph/graph-cache.js';
import type { GraphJob } from './build-graph.js';

const PROGRAM = fileURLToPath(new URL('./graph-process.js', import.meta.url));
/** Of a large model on a slow disk; the default one takes 2 s. */
const TIMEOUT_MS = 180_000;

/** Rewrites a graph in a process of its own, which is gone when this resolves. Undefined where that process failed: nothing is known of the graph then. */
export async function buildGraphInProcess(job: GraphJob): Promise<GraphRecord | undefined> {
  silenceModelRuntime();
  const child = fork(PROGRAM, [], { serialization: 'advanced', execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  try {
    return await new Promise<GraphRecord | undefined>((resolve) => {
      let record: GraphRecord | undefined;
      child.once('message', (message) => (record = message as GraphRecord));
      child.once('error', () => resolve(undefined));
      child.once('exit', () => resolve(record));
      child.send(job, () => undefined);
    });
  } finally {
    clearTimeout(timer);
  }
}
