/** The environment for child processes of tests and benches, with what they set over it. */
export function childEnvironment(overrides: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { ...process.env, ...overrides };
}

/** A variable that chooses what a test or bench runs against; undefined when it is not set. */
export function chosen(
  name: 'RERANK_URL' | 'QDRANT_URL' | 'REDIS_URL' | 'XDG_CACHE_HOME' | 'FAST_GRAPH' | 'TEST_CONTAINERS',
): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}
