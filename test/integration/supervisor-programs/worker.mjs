import { serve } from './program.mjs';

if (process.env.FAKE_WORKER_FAILS !== undefined) {
  console.error('the model is not there');
  process.exit(1);
}
process.on('SIGUSR2', () => process.exit(75));
serve('worker', {});
