import { readFileSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';

export const read = (file: string): string => readFileSync(path.join(REPOSITORY_ROOT, file), 'utf8');

/** Of the project, and so of its images. */
export const VERSION = (JSON.parse(read('package.json')) as { readonly version: string }).version;

/** Seconds of a constant in the source, which no setting changes. */
function secondsOf(file: string, name: string): number {
  const found = new RegExp(`^const ${name} = ([\\d_]+);$`, 'm').exec(read(file))?.[1];
  if (found === undefined) throw new Error(`${file} has no constant ${name} any more.`);
  return Number(found.replaceAll('_', '')) / 1_000;
}

/** How long an API gives requests in flight. */
export const API_DRAIN_S = secondsOf('apps/api/src/main.ts', 'DRAIN_MS');
/** How long a worker has after DRAIN_MS, to close models, stores and connections. */
export const WORKER_CLOSE_S = secondsOf('apps/worker/src/main.ts', 'CLOSE_MS');
