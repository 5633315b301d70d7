import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack, type RunningStack, type StackOptions } from '@rerank-fleet/cli/up/index';
import { defaultCacheDirectory } from '@rerank-fleet/core/models';
import { childEnvironment, chosen } from '../../test/support/environment.ts';

/** Starts a stack of its own in a temporary folder and takes it down again. */
export async function withOwnStack(
  work: (stack: RunningStack) => Promise<void>,
  environment: Readonly<Record<string, string>> = {},
  options: Pick<StackOptions, 'opsPort' | 'workers'> = {},
): Promise<void> {
  const stateDirectory = await mkdtemp(join(tmpdir(), 'rerank-bench-'));
  const stack = await startStack({
    stateDirectory,
    cacheDirectory: defaultCacheDirectory(chosen('XDG_CACHE_HOME')),
    environment: childEnvironment({ LOG_LEVEL: 'warn', ...environment }),
    port: 0,
    ...options,
  });
  try {
    await work(stack);
  } finally {
    await stack.stop();
    await rm(stateDirectory, { recursive: true, force: true });
  }
}

/** The stack at RERANK_URL, or one of its own. */
export async function withStack(work: (url: string) => Promise<void>): Promise<void> {
  const url = chosen('RERANK_URL');
  if (url === undefined) await withOwnStack((stack) => work(stack.url));
  else await work(url);
}
