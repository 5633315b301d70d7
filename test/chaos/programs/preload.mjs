/**
 * Loaded into the API and the workers of a chaos run by NODE_OPTIONS, before their own code. It gives each process a way to Redis of its own, whose
 * proxy the run can harm, and the two faults that come from within: a clock that jumps, and an inference thread that dies.
 *
 *     CHAOS_ROLES   JSON object: role → port of its proxy; OPS_PORT minus CHAOS_FIRST_OPS_PORT is the index of the role
 *     CHAOS_FOLDER  clock-{role}: milliseconds to add to the clock, read at the start and on SIGUSR2
 *                   crash-{role}: the next batch takes the file and its thread with it
 */
import { readFileSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, workerData } from 'node:worker_threads';

const { CHAOS_ROLES, CHAOS_FOLDER, CHAOS_FIRST_OPS_PORT, OPS_PORT } = process.env;

if (isMainThread && OPS_PORT !== undefined) {
  const [role, port] = Object.entries(JSON.parse(CHAOS_ROLES))[Number(OPS_PORT) - Number(CHAOS_FIRST_OPS_PORT)];
  const url = new URL(process.env.REDIS_URL);
  url.port = port;
  process.env.REDIS_URL = url.href;
  process.env.CHAOS_ROLE = role;
  // It has said which process this is; nobody is to listen there.
  delete process.env.OPS_PORT;
}

const { CHAOS_ROLE } = process.env;
let offsetMs = 0;

function readOffset() {
  try {
    offsetMs = Number(readFileSync(join(CHAOS_FOLDER, `clock-${CHAOS_ROLE}`), 'utf8'));
  } catch {
    offsetMs = 0;
  }
}

if (CHAOS_ROLE !== undefined) {
  const RealDate = Date;
  const now = () => RealDate.now() + offsetMs;
  globalThis.Date = new Proxy(RealDate, {
    get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
    construct: (target, values, newTarget) => Reflect.construct(target, values.length === 0 ? [now()] : values, newTarget),
  });
  readOffset();
  if (isMainThread) process.on('SIGUSR2', readOffset);
}

if (!isMainThread && CHAOS_ROLE !== undefined && workerData !== null && 'intraOpThreads' in Object(workerData)) {
  const { InferenceSession } = await import('onnxruntime-node');
  const mark = join(CHAOS_FOLDER, `crash-${CHAOS_ROLE}`);
  const run = InferenceSession.prototype.run;
  InferenceSession.prototype.run = async function (...call) {
    if (!taken(mark)) return await run.apply(this, call);
    setImmediate(() => {
      throw new Error('The inference thread was told to die.');
    });
    return await new Promise(() => undefined);
  };
}

/** One thread takes the mark, whoever looks first. */
function taken(mark) {
  try {
    unlinkSync(mark);
    return true;
  } catch {
    return false;
  }
}
