import { parentPort, workerData } from 'node:worker_threads';
import { invariant } from '@rerank-fleet/core/errors';
import type { FitSamples } from './collect-samples.js';
import { fitHead } from './fit-heads.js';

invariant(parentPort, 'The thread that fits heads was started outside a worker thread.');
parentPort.postMessage(fitHead(workerData as FitSamples, 0));
