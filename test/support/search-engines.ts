import type { RetrieverConnection } from '@rerank-fleet/core/config';
import { loadConfig } from '@rerank-fleet/core/config';

export const SEARCH_ENGINES = ['elasticsearch', 'opensearch'] as const;
export type SearchEngine = (typeof SEARCH_ENGINES)[number];

/** The cluster that the surroundings name for tests, where anything may be deleted; undefined if they name none. */
export function searchEngineUrl(engine: SearchEngine, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const url = env[`${engine.toUpperCase()}_URL`];
  return url === undefined || url === '' ? undefined : url.replace(/\/+$/, '');
}

/** Whether a run against a cluster replaces what is recorded of it. */
export const isRecording = (env: NodeJS.ProcessEnv = process.env): boolean => env['RECORD_FIRST_STAGE'] === 'true';

/** Connections as a process reads them. */
export function connectionsOf(...entries: readonly Readonly<Record<string, unknown>>[]): readonly RetrieverConnection[] {
  return loadConfig({ RETRIEVERS: JSON.stringify(entries) }).retrievers.connections;
}
