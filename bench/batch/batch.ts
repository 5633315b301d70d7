/**
 * Batch jobs through a real API, Redis and blobs on files, with simulated workers: everything of a worker is real but its tokenizer and its model, which takes a fixed
 * time a batch. Small without `--full`: to see that it runs.
 *
 *   npm run bench:batch [-- --part memory|submit|scale|fairness|all --full --rows 5000 --workers 16 --svg scale.svg]
 */
import { parseArgs } from 'node:util';
import { describeMachine } from '../support/report.ts';
import type { BenchSize } from './bench-size.ts';
import { fairnessPart } from './fairness-part.ts';
import { printOutcomes, type Outcome } from './goal.ts';
import { memoryPart } from './memory-part.ts';
import { scalePart } from './scale-part.ts';
import { submitPart } from './submit-part.ts';

const PARTS = { memory: memoryPart, submit: submitPart, scale: scalePart, fairness: fairnessPart } as const;

const { values: flags } = parseArgs({
  options: {
    part: { type: 'string', default: 'all' },
    full: { type: 'boolean', default: false },
    rows: { type: 'string' },
    candidates: { type: 'string', default: '50' },
    'document-bytes': { type: 'string', default: '100' },
    workers: { type: 'string' },
    processes: { type: 'string', default: '2' },
    'latency-ms': { type: 'string', default: '100' },
    'batch-pairs': { type: 'string', default: '64' },
    'pair-tokens': { type: 'string', default: '128' },
    seconds: { type: 'string' },
    repeats: { type: 'string' },
    svg: { type: 'string' },
    profile: { type: 'string' },
  },
});

const size: BenchSize = {
  rows: Number(flags.rows ?? (flags.full ? 100_000 : 4_000)),
  candidates: Number(flags.candidates),
  documentBytes: Number(flags['document-bytes']),
  workers: Number(flags.workers ?? (flags.full ? 64 : 16)),
  processes: Number(flags.processes),
  shape: { latencyMs: Number(flags['latency-ms']), batchPairs: Number(flags['batch-pairs']), pairTokens: Number(flags['pair-tokens']) },
  seconds: Number(flags.seconds ?? (flags.full ? 10 : 4)),
  repeats: Number(flags.repeats ?? (flags.full ? 5 : 2)),
  svg: flags.svg,
  profile: flags.profile,
};
const names = flags.part === 'all' ? Object.keys(PARTS) : flags.part.split(',');
const parts = names.map((name) => {
  if (name in PARTS) return PARTS[name as keyof typeof PARTS];
  throw new Error(`There is no part "${name}"; take ${Object.keys(PARTS).join(', ')} or all.`);
});
console.log(`${describeMachine()}\n`);
const outcomes: Outcome[] = [];
for (const part of parts) {
  const found = await part(size);
  console.log();
  printOutcomes(found);
  console.log();
  outcomes.push(...found);
}
if (parts.length > 1) printOutcomes(outcomes);
if (outcomes.some(({ verdict }) => verdict === 'NOT met')) process.exitCode = 1;
