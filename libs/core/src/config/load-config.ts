import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { z } from 'zod';
import { readBlobLocation, type BlobLocation, type S3Fields } from './blob-location.js';
import { apiKeySchema, FIELDS, type ApiKey, type Field } from './fields.js';

type Values<Section> = { readonly [Name in keyof Section]: Section[Name] extends Field<infer Schema> ? z.output<Schema> : never };
type Sections = { readonly [Name in keyof typeof FIELDS]: Values<(typeof FIELDS)[Name]> };

/** Everything a process may be told from outside; parsed once in `main.ts`, frozen, injected by section. */
export interface Config extends Omit<Sections, 'auth' | 'redis' | 'stores'> {
  readonly auth: { readonly keys: readonly ApiKey[] };
  /** `given`: the user named a Redis, so `rerank up` starts none. */
  readonly redis: { readonly url: string; readonly given: boolean };
  readonly stores: Omit<Sections['stores'], 'blobUrl' | keyof S3Fields> & { readonly blobs: BlobLocation };
}

/** Configuration that cannot work. The message names variables and rules, never values. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';

  constructor(readonly faults: readonly string[]) {
    super(`The configuration is not valid:\n${faults.map((fault) => `  ${fault}`).join('\n')}\nSee docs/configuration.md.`);
  }
}

/** Exit status of a process that refuses its configuration (EX_CONFIG of sysexits.h); a supervisor does not restart it. */
export const EXIT_CONFIG = 78;

/** Exit status of a worker whose memory has grown too far (EX_TEMPFAIL of sysexits.h): it ended in order, and a supervisor starts a new one at once. */
export const EXIT_RECYCLE = 75;

const DEFAULT_REDIS_URL = 'redis://127.0.0.1:6379';
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host) || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function readSections(env: NodeJS.ProcessEnv, faults: string[]): Sections {
  const sections = Object.entries(FIELDS).map(([sectionName, section]) => {
    const values = Object.entries(section as Record<string, Field>).map(([name, { env: variable, schema }]) => {
      const text = env[variable];
      const parsed = schema.safeParse(text === undefined || text === '' ? undefined : text);
      if (!parsed.success) faults.push(...parsed.error.issues.map((issue) => `${variable}: ${ruleOf(issue)}`));
      return [name, parsed.data] as const;
    });
    return [sectionName, Object.fromEntries(values)] as const;
  });
  return Object.fromEntries(sections) as unknown as Sections;
}

/** zod's own messages name the rule; only enum messages would repeat what may be a secret, and they do not. */
function ruleOf(issue: z.core.$ZodIssue): string {
  const path = issue.path.length === 0 ? '' : `${issue.path.join('.')} `;
  return `${path}${issue.message}`;
}

function readApiKeys(text: string | undefined, faults: string[]): readonly ApiKey[] {
  if (text === undefined) return [];
  let json = text;
  if (!text.trimStart().startsWith('[')) {
    try {
      json = readFileSync(text, 'utf8');
    } catch {
      faults.push('API_KEYS: is neither a JSON array nor the path of a file that can be read');
      return [];
    }
  }
  let entries: unknown;
  try {
    entries = JSON.parse(json);
  } catch {
    faults.push('API_KEYS: is not valid JSON');
    return [];
  }
  const parsed = z.array(apiKeySchema).safeParse(entries);
  if (parsed.success) return parsed.data;
  faults.push(...parsed.error.issues.map((issue) => `API_KEYS: ${ruleOf(issue)}`));
  return [];
}

/**
 * Reads and checks the whole environment at once.
 *
 * @throws ConfigError with every fault, not only the first
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const faults: string[] = [];
  const sections = readSections(env, faults);
  const keys = readApiKeys(sections.auth.keys, faults);
  const directory = resolve(sections.state.directory);
  const { blobUrl = pathToFileURL(resolve(directory, 'blobs')).href, qdrantUrl, qdrantApiKey, qdrantTimeoutMs, ...s3 } = sections.stores;
  // What one field says is known to be sound from here on; what they say together is not.
  const sound = faults.length === 0;
  const blobs = sound ? readBlobLocation(blobUrl, s3, faults) : undefined;
  if (sound && keys.length === 0 && !isLoopback(sections.http.host)) faults.push('API_KEYS: is needed when HOST is not a loopback address');
  if (blobs === undefined || faults.length > 0) throw new ConfigError(faults);
  return deepFreeze({
    ...sections,
    auth: { keys },
    redis: { url: sections.redis.url ?? DEFAULT_REDIS_URL, given: sections.redis.url !== undefined },
    state: { directory },
    stores: { qdrantUrl, qdrantApiKey, qdrantTimeoutMs, blobs },
  });
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}
