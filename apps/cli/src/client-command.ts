import { RerankClient } from '@rerank-fleet/client';
import { Option, type Command } from 'commander';
import { resolveConnection } from './cli-config.js';
import { InterruptedError, type ExitCode } from './exit-code.js';
import { Terminal } from './terminal/terminal.js';

/** What a command that talks to the service works with. */
export interface CommandContext {
  readonly client: RerankClient;
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C and SIGTERM, unless the command says otherwise. */
  readonly signal: AbortSignal;
  /** Exit status when the command ends without an error. */
  readonly exitWith: (code: ExitCode) => void;
}

interface CommonFlags {
  readonly url?: string;
  readonly apiKey?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly color: boolean;
}

export function commonOptions(): Option[] {
  return [
    new Option('--url <url>', 'address of the service; default: RERANK_URL, else http://127.0.0.1:8080'),
    new Option('--api-key <key>', 'API key; default: RERANK_API_KEY'),
    new Option('--json', 'one JSON value on stdout and nothing else there'),
    new Option('-q, --quiet', 'no progress and no remarks, only results and errors'),
    new Option('--no-color', 'no colours, also on a terminal'),
  ];
}

export interface ClientActionOptions {
  /** Signals that abort the context's signal. @defaultValue SIGINT, which is Ctrl-C, and SIGTERM */
  readonly interruptedBy?: readonly NodeJS.Signals[];
}

/** Gives a command the options that all commands have, and its action what they mean. */
export function clientAction(
  command: Command,
  run: (context: CommandContext, ...args: never[]) => Promise<void>,
  { interruptedBy = ['SIGINT', 'SIGTERM'] }: ClientActionOptions = {},
): Command {
  for (const option of commonOptions()) command.addOption(option);
  return command.action(async (...args: unknown[]) => {
    const { signal, release } = interruption(interruptedBy);
    try {
      // Commander passes the arguments, the options and the command; the command is at hand already.
      await run(createContext(command.opts(), signal), ...(args.slice(0, -1) as never[]));
    } catch (error) {
      throw signal.aborted && !(error instanceof InterruptedError) ? signal.reason : error;
    } finally {
      release();
    }
  });
}

function createContext(flags: CommonFlags, signal: AbortSignal): CommandContext {
  const terminal = new Terminal({ json: flags.json === true, quiet: flags.quiet === true, color: flags.color });
  const { url, apiKey } = resolveConnection(flags);
  const client = new RerankClient({
    baseUrl: url,
    apiKey,
    onRetry: ({ error, delayMs }) =>
      terminal.note(`${error.message.replace(/\.$/, '')}. Trying again in ${(delayMs / 1_000).toFixed(1)} s.`),
  });
  return { client, terminal, signal, exitWith: (code) => void (process.exitCode = code) };
}

/** The second Ctrl-C is not caught: it ends the process whatever it waits for. */
function interruption(signals: readonly NodeJS.Signals[]): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController();
  const interrupt = () => controller.abort(new InterruptedError('Interrupted.'));
  for (const signal of signals) process.once(signal, interrupt);
  const release = () => {
    for (const signal of signals) process.removeListener(signal, interrupt);
  };
  return { signal: controller.signal, release };
}
