/**
 * Fits the heads of early exit for one model, or shows which are in use; `rerank exits` runs it. It needs no Redis. Results go to stdout as JSON.
 *
 *   node apps/worker/dist/exits-main.js fit < LINES      a job, then texts, as JSON lines (`exitFitJobSchema`); progress over IPC
 *   node apps/worker/dist/exits-main.js show [--model NAME]
 */
import { parseArgs } from 'node:util';
import { ConfigError, EXIT_CONFIG, loadConfig, type Config } from '@rerank-fleet/core/config';
import { exitFitJobSchema, exitFitListSchema, exitFitTextSchema, type ExitFitJob, type ExitFitLine } from '@rerank-fleet/core/contracts';
import { RerankError, invariant } from '@rerank-fleet/core/errors';
import { createLogger } from '@rerank-fleet/core/observability';
import { fitExits } from './composition/fit-exits.js';
import { showExits } from './composition/show-exits.js';

/** No process outlives its supervisor. */
process.on('disconnect', () => process.exit(0));

const {
  values: flags,
  positionals: [command],
} = parseArgs({ options: { model: { type: 'string' } }, allowPositionals: true });

async function fit(config: Config): Promise<object> {
  const lines = linesOf(process.stdin);
  const first = await lines.next();
  invariant(first.done !== true, 'The program was given no job.');
  const job = exitFitJobSchema.parse(JSON.parse(first.value));
  const log = createLogger({ level: 'silent', process: 'exits' });
  return await fitExits({ config, log, job, lines: textsOf(lines, job), onProgress: (progress) => process.send?.(progress) });
}

async function* textsOf(lines: AsyncIterable<string>, job: ExitFitJob): AsyncGenerator<ExitFitLine> {
  const schema = job.corpus === undefined ? exitFitListSchema : exitFitTextSchema;
  for await (const line of lines) yield schema.parse(JSON.parse(line));
}

/** Ended by line feeds alone: a text in JSON may hold U+2028, which `node:readline` takes for an end. */
async function* linesOf(input: NodeJS.ReadStream): AsyncGenerator<string> {
  input.setEncoding('utf8');
  let rest = '';
  for await (const chunk of input as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}

function fail(detail: string, status = 1): never {
  process.stderr.write(`${detail}\n`);
  process.exit(status);
}

try {
  const config = loadConfig();
  if (command !== 'fit' && command !== 'show') fail('Commands: fit, show.', 2);
  const result = command === 'fit' ? await fit(config) : await showExits(config, flags.model);
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
} catch (error) {
  if (error instanceof ConfigError) fail(error.message, EXIT_CONFIG);
  if (error instanceof RerankError) fail(error.detail);
  throw error;
}
