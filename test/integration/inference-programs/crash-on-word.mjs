/**
 * Loaded into a worker by NODE_OPTIONS: a batch that holds the token of CRASH_TOKEN ends the process with SIGSEGV from inside the model, as a fault of
 * native code does.
 */
import { InferenceSession } from 'onnxruntime-node';

const { CRASH_TOKEN } = process.env;
const run = InferenceSession.prototype.run;
InferenceSession.prototype.run = async function (feeds, ...rest) {
  if (feeds.input_ids?.data.includes(BigInt(CRASH_TOKEN))) {
    process.kill(process.pid, 'SIGSEGV');
    await new Promise(() => undefined);
  }
  return await run.call(this, feeds, ...rest);
};
