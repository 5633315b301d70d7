/**
 * How much longer a sync rerank request over HTTP takes than the model itself. Idle: requests of 50 documents one at a time, in turn with the bare model call for
 * the same pairs, all in one run, and with bare calls side by side that are cut as is best. At half load: requests that arrive at random,
 * against an ideal queue with one server that is fed the same arrivals, with the times of the whole call on the idle stack and with those of the bare call.
 *
 *   npm run bench:latency [-- --part idle|load|both --turns 60 --arrivals 300 --seed 7]
 */
import { parseArgs } from 'node:util';
import { resolveDefaultModel } from '../support/default-model.ts';
import { readCandidateLists } from '../support/evaluation-data.ts';
import { ForeignLoad } from '../support/foreign-load.ts';
import { openDispatcher } from '../support/open-dispatcher.ts';
import { describeMachine } from '../support/report.ts';
import { withOwnStack } from '../support/with-stack.ts';
import { BareCalls } from './bare-calls.ts';
import { measureHalfLoad } from './half-load.ts';
import { measureIdle } from './idle.ts';
import { sliceLists } from './rerank-over-http.ts';

const { values: flags } = parseArgs({
  options: {
    part: { type: 'string', default: 'both' },
    turns: { type: 'string', default: '60' },
    arrivals: { type: 'string', default: '300' },
    seed: { type: 'string', default: '7' },
  },
});
const model = await resolveDefaultModel();
const lists = await readCandidateLists('trec-dl19', 'bm25-top100.tsv');

await withOwnStack(async (stack) => {
  const { url } = stack;
  const { fleet, close } = await openDispatcher(stack.redisUrl);
  const engine = (await fleet.live())[0]?.engine;
  await close();
  if (engine === undefined) throw new Error('The worker does not say in which shape its engine runs.');
  const split = { sessions: engine.sessions, intraOpThreads: engine.intra_op_threads };
  const calls = await BareCalls.start(model, split);
  const load = new ForeignLoad(() => stack.pids().values());
  console.log(
    `${describeMachine()}\n${model.name} (${model.precision}); the worker and the bare call have ${calls.name}, the worker ${engine.max_batch_tokens} tokens a batch\n`,
  );
  const parts: boolean[] = [];
  if (flags.part !== 'load') parts.push(await measureIdle({ url, calls, load, requests: sliceLists(lists, 50) }, Number(flags.turns)));
  if (flags.part !== 'idle')
    parts.push(
      await measureHalfLoad(
        { url, calls, load, requests: sliceLists(lists, 20) },
        { arrivals: Number(flags.arrivals), seed: Number(flags.seed) },
      ),
    );
  process.exitCode = parts.every(Boolean) ? 0 : 1;
  await calls.stop();
});
