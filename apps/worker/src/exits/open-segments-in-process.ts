import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { silenceModelRuntime } from '@rerank-fleet/core/config';
import type { SegmentJob } from './segment-cache.js';
import type { CutRefusal, SegmentSet } from './segment-set.js';

const PROGRAM = fileURLToPath(new URL('./segment-process.js', import.meta.url));
/** Of a large model on a slow disk; the default one takes half a second. */
const TIMEOUT_MS = 180_000;

/** `openSegments` in a process of its own, which is gone when this resolves. Undefined where that process failed: the model has to run whole. */
export async function openSegmentsInProcess(job: SegmentJob): Promise<SegmentSet | CutRefusal | undefined> {
  silenceModelRuntime();
  const child = fork(PROGRAM, [], { serialization: 'advanced', execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS);
  try {
    return await new Promise<SegmentSet | CutRefusal | undefined>((resolve) => {
      let answer: SegmentSet | CutRefusal | undefined;
      child.once('message', (message) => (answer = message as SegmentSet | CutRefusal));
      child.once('error', () => resolve(undefined));
      child.once('exit', () => resolve(answer));
      child.send(job, () => undefined);
    });
  } finally {
    clearTimeout(timer);
  }
}
