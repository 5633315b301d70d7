import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { text as readText } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../apps/cli/bin/rerank.mjs', import.meta.url));

export interface CliRun {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliInput {
  /** Sent to stdin, which is then closed. */
  readonly input?: string | Uint8Array;
  readonly env?: Record<string, string>;
}

/** Starts the built command with an environment of its own: what the developer has set does not reach it. */
export function startCli(args: readonly string[], env: Record<string, string> = {}): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [BIN, ...args], { env, stdio: 'pipe' });
}

export async function runCli(args: readonly string[], { input, env }: CliInput = {}): Promise<CliRun> {
  const child = startCli(args, env);
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([readText(child.stdout), readText(child.stderr), once(child, 'exit')]);
  return { status: child.exitCode, stdout, stderr };
}
