/**
 * Part `throughput`: documents/s of an upload over REST (API, Redis, worker, embedded store) ÷ a bare embedding loop over the same passages, tokenized and
 * sorted by length beforehand; and of a second upload of the same documents, which needs no embedding. In turn, in one run.
 *
 * Part `store`: p50 and p95 of a search in the embedded store, dense, sparse and hybrid, with a filter and without, over made-up passages of 384 dimensions;
 * how long it takes to load them, and the memory. The same in Qdrant where QDRANT_URL is set.
 *
 *   npm run bench:ingest [-- --part throughput|store|both --set scifact --documents 768 --rounds 3 --sizes 20000,100000 --searches 100]
 *   npm run bench:ingest -- --full           all documents of the set in a turn
 */
import { parseArgs } from 'node:util';
import { describeMachine } from '../support/report.ts';
import { measureStores } from './store-part.ts';
import { measureThroughput } from './throughput-part.ts';

const { values: flags } = parseArgs({
  options: {
    part: { type: 'string', default: 'both' },
    set: { type: 'string', default: 'scifact' },
    documents: { type: 'string', default: '768' },
    rounds: { type: 'string', default: '3' },
    sizes: { type: 'string', default: '20000,100000' },
    searches: { type: 'string', default: '100' },
    full: { type: 'boolean', default: false },
  },
});
if (!['throughput', 'store', 'both'].includes(flags.part)) throw new Error('--part takes throughput, store or both.');
console.log(`${describeMachine()}\n`);
if (flags.part !== 'store') {
  const documents = flags.full ? Infinity : Number(flags.documents);
  const met = await measureThroughput({ set: flags.set, documents, rounds: Number(flags.rounds) });
  if (!met) process.exitCode = 1;
}
if (flags.part !== 'throughput') await measureStores({ sizes: flags.sizes.split(',').map(Number), searches: Number(flags.searches) });
