import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { RerankClient } from '@rerank-fleet/client';
import { Command, CommanderError } from 'commander';
import { resolveConnection } from './cli-config.js';
import { commonOptions } from './client-command.js';
import { registerAdminCommand } from './commands/admin.js';
import { registerBatchCommand } from './commands/batch.js';
import { registerBenchCommand } from './commands/bench.js';
import { registerCorporaCommand } from './commands/corpora.js';
import { registerExitsCommand } from './commands/exits.js';
import { registerIngestCommand } from './commands/ingest.js';
import { registerJobsCommand } from './commands/jobs.js';
import { registerModelsCommand } from './commands/models.js';
import { registerReindexCommand } from './commands/reindex.js';
import { registerRerankCommand } from './commands/rerank.js';
import { registerSearchCommand } from './commands/search.js';
import { registerSetupCommand } from './commands/setup.js';
import { registerStatusCommand } from './commands/status.js';
import { registerUpCommand, type Demo } from './commands/up.js';
import { registerWhoamiCommand } from './commands/whoami.js';
import { runDemo } from './demo/run-demo.js';
import { EXIT_CODE_MEANINGS } from './exit-code.js';

/** Corpus of the demo, and name of its file in the samples. */
const DEMO_CORPUS = 'everyday';
/** The same from `src` and from `dist`. */
const SAMPLES = fileURLToPath(new URL('../../../samples', import.meta.url));
const PACKAGE = new URL('../package.json', import.meta.url);

const demo: Demo = async ({ url }, signal) => {
  const { apiKey } = resolveConnection({ url });
  await runDemo({
    client: new RerankClient({ baseUrl: url, apiKey }),
    corpus: DEMO_CORPUS,
    samplesDir: SAMPLES,
    out: process.stdout,
    signal,
  });
};

/** The whole command line; throws a CommanderError where Commander alone would end the process. */
export function buildProgram(): Command {
  const { version } = JSON.parse(readFileSync(PACKAGE, 'utf8')) as { version: string };
  // Inherited by the commands made after it: exits by exception, and help that fits the terminal.
  const program = new Command('rerank')
    .description('Search and rerank documents with cross-encoders.')
    .version(version, '-V, --version')
    .exitOverride()
    .showHelpAfterError('(rerank --help, or rerank <command> --help)')
    .enablePositionalOptions()
    .addHelpText('after', exitCodeHelp());
  for (const option of commonOptions()) program.addOption(option);
  program.hook('preAction', (_, command) => handDown(program, command));
  registerUpCommand(program, demo);
  registerIngestCommand(program);
  registerSearchCommand(program);
  registerRerankCommand(program);
  registerBatchCommand(program);
  registerJobsCommand(program);
  registerCorporaCommand(program);
  registerReindexCommand(program);
  registerModelsCommand(program);
  registerStatusCommand(program);
  registerWhoamiCommand(program);
  registerAdminCommand(program);
  registerBenchCommand(program);
  registerExitsCommand(program);
  registerSetupCommand(program);
  return program;
}

/** `rerank --json search …` is `rerank search --json …`. An option that the command has no use for is refused, not ignored. */
function handDown(program: Command, command: Command): void {
  for (const option of program.options) {
    const name = option.attributeName();
    if (program.getOptionValueSource(name) !== 'cli') continue;
    if (!command.options.some((own) => own.attributeName() === name)) {
      const message = `error: option '${option.long ?? option.flags}' has no meaning for this command`;
      process.stderr.write(`${message}\n`);
      throw new CommanderError(2, 'rerank.optionWithoutMeaning', message);
    }
    if (command.getOptionValueSource(name) !== 'cli') command.setOptionValueWithSource(name, program.getOptionValue(name), 'cli');
  }
}

function exitCodeHelp(): string {
  const lines = EXIT_CODE_MEANINGS.map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`);
  return `\nExit status:\n${lines.join('\n')}\n\nThe options may stand before or after the command. Full reference: docs/cli.md`;
}
