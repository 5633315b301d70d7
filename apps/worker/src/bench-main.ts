/**
 * Times one model on this machine and writes the figures to stdout as JSON (`engineBenchSchema`). `rerank bench` runs it; it needs no Redis.
 *
 *   node apps/worker/dist/bench-main.js [--model NAME] [--length 96] [--rounds 3] [--budgets 512,1024]
 */
import { parseArgs } from 'node:util';
import { ConfigError, EXIT_CONFIG, loadConfig, type Config } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import { createLogger } from '@rerank-fleet/core/observability';
import { exitAtStart } from './composition/exit-at-start.js';
import { fastVariant } from './composition/fast-variant.js';
import { inferenceModel, resolveConfigured } from './composition/resolve-configured.js';
import { assertDevice } from './inference/assert-device.js';
import { InferencePool } from './inference/inference-pool.js';
import { runtimeVersion } from './inference/runtime-version.js';
import { TextPool } from './tokenization/text-pool.js';
import { benchEngine } from './tuning/bench-engine.js';
import { SAMPLE_TOKENS } from './tuning/sample-sequence.js';

/** No process outlives its supervisor. */
process.on('disconnect', () => process.exit(0));

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    length: { type: 'string', default: String(SAMPLE_TOKENS) },
    rounds: { type: 'string', default: '3' },
    budgets: { type: 'string' },
  },
});

async function bench(config: Config): Promise<void> {
  const { device, batchTimeoutMs, inferenceThreads, rerankModels } = config.worker;
  if (device !== 'cpu') await assertDevice(device, inferenceThreads);
  const model = await resolveConfigured(config, flags.model ?? rerankModels[0] ?? '', 'cross-encoder');
  const encoder = await TextPool.start({ models: [model], threads: 1 });
  const log = createLogger({ level: 'silent', process: 'bench' });
  const timed = inferenceModel(model, await fastVariant(model, { config, log, encoder }));
  const exit = await exitAtStart(model, timed.fast, { config, log });
  const report = await benchEngine({
    model,
    device,
    encoder,
    length: Math.min(Number(flags.length), model.maxLength),
    rounds: Number(flags.rounds),
    budgets: flags.budgets?.split(',').map(Number),
    onnxruntime: runtimeVersion(),
    onRound: (round) => process.send?.({ round: round + 1 }),
    cut: exit && { ...timed, segmented: exit.segmented },
    start: async ({ sessions, intraOpThreads }, segmented) =>
      await InferencePool.start({
        models: [segmented === undefined ? timed : { ...timed, segmented }],
        device,
        intraOpThreads,
        threads: sessions,
        batchTimeoutMs,
        onHang: fail,
        onThreadDeath: fail,
      }),
  });
  await encoder.close();
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}

function fail(detail: string, status = 1): never {
  process.stderr.write(`${detail}\n`);
  process.exit(status);
}

try {
  await bench(loadConfig());
} catch (error) {
  if (error instanceof ConfigError) fail(error.message, EXIT_CONFIG);
  if (error instanceof RerankError) fail(error.detail);
  throw error;
}
