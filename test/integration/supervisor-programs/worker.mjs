import { serve } from './program.mjs';

if (process.env.FAKE_WORKER_FAILS !== undefined) {
  console.error('the model is not there');
  process.exit(1);
}
serve('worker', {});
