import { RerankApiError, RerankConnectionError, RerankTimeoutError } from '@rerank-fleet/client';
import { ConfigError } from '@rerank-fleet/core/config';
import { RerankError } from '@rerank-fleet/core/errors';
import { CommanderError } from 'commander';
import { CliError, ExitCode, InterruptedError } from './exit-code.js';
import { buildProgram } from './program.js';
import { Terminal } from './terminal/terminal.js';
import { StackError } from './up/stack-error.js';

/** Runs one command line; sets the exit status, and never throws. */
export async function runCli(argv: readonly string[]): Promise<void> {
  endQuietlyOnClosedPipe(process.stdout);
  endQuietlyOnClosedPipe(process.stderr);
  try {
    await buildProgram().parseAsync(argv);
  } catch (error) {
    process.exitCode = report(error, new Terminal({ json: false, quiet: false, color: !argv.includes('--no-color') }));
    // What was interrupted may still hold open input.
    if (error instanceof InterruptedError) process.exit();
  }
}

/** `rerank search … | head -1` ends when head does, without a word. */
function endQuietlyOnClosedPipe(stream: NodeJS.WriteStream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(ExitCode.ok);
    throw error;
  });
}

/** Says what went wrong and what to do; returns the exit status. */
export function report(error: unknown, terminal: Pick<Terminal, 'error'>): number {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  terminal.error(messageOf(error));
  if (error instanceof CliError || error instanceof StackError) return error.exitCode;
  if (error instanceof ConfigError) return ExitCode.usage;
  if (error instanceof RerankConnectionError) return ExitCode.unreachable;
  if (error instanceof InterruptedError) return ExitCode.interrupted;
  return ExitCode.requestFailed;
}

function messageOf(error: unknown): string {
  if (error instanceof RerankApiError) return apiMessage(error);
  if (error instanceof RerankError) return `${error.detail} (${error.code})`;
  if (error instanceof RerankTimeoutError)
    return `${error.message} Is the service busy? See \`rerank status\`; --timeout gives it more time.`;
  return error instanceof Error ? error.message : String(error);
}

/** What the command line adds to what the service says. */
const HINTS: Readonly<Record<string, string>> = {
  unauthorized: 'Give a key with --api-key or RERANK_API_KEY.',
  reindex_required: 'Here that is `rerank reindex start`, with the same options.',
};

function apiMessage(error: RerankApiError): string {
  const id = error.requestId === undefined ? '' : `, request ${error.requestId}`;
  // A single fault is the detail already.
  const faults = error.errors
    .filter(({ detail }) => !error.detail.includes(detail))
    .map(({ pointer, detail }) => `\n  ${pointer === '' ? 'body' : pointer}: ${detail}`);
  const hint = Object.hasOwn(HINTS, error.code) ? `\n  ${HINTS[error.code]}` : '';
  return `${error.detail} (${error.code}${id})${faults.join('')}${hint}`;
}
