import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { tenantSchema } from '../contracts/index.js';
import { Secret } from './secret.js';

export type RetrieverKind = 'elasticsearch' | 'opensearch' | 'http';

/** A first stage elsewhere, as the operator names it. Clients only ever say its name. */
export interface RetrieverConnection {
  readonly name: string;
  readonly kind: RetrieverKind;
  /** Of the cluster, or of the one route of an `http` retriever. Without credentials, query or fragment. */
  readonly url: string;
  /** Credentials included. */
  readonly headers: Readonly<Record<string, Secret>>;
  /** Longest call, with all its repeats. */
  readonly timeoutMs: number;
  readonly maxResponseBytes: number;
  /** PEM text of certificates to trust instead of those of the system. */
  readonly ca?: string;
  /** The server's certificate is not looked at. */
  readonly insecure: boolean;
  /** Absent: all tenants. */
  readonly tenants?: readonly string[];
  /** Patterns (`*`) of indices that corpora may name. Absent: all. */
  readonly indices?: readonly string[];
}

/** They belong to the transport, or are set with every call. */
const NOT_SET_BY_HAND = new Set(
  'accept accept-encoding connection content-encoding content-length content-type expect host keep-alive te trailer traceparent transfer-encoding upgrade x-request-id'.split(
    ' ',
  ),
);

const urlSchema = z
  .url({ protocol: /^https?$/ })
  .refine((text) => URL.canParse(text) && new URL(text).username === '' && new URL(text).password === '', 'must not hold credentials')
  .refine((text) => !/[?#]/.test(text), 'must have neither a query nor a fragment');

const printable = z.string().regex(/^[\t\x20-\x7e]*$/, 'must be printable ASCII');

const headersSchema = z.record(
  z
    .string()
    .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 'must be the name of a header')
    .refine((name) => !NOT_SET_BY_HAND.has(name.toLowerCase()), 'is a header that is not set by hand'),
  printable,
);

const shared = {
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be 1 to 63 letters, digits, dots, underscores or hyphens'),
  url: urlSchema,
  api_key: printable.min(1).optional(),
  username: z
    .string()
    .min(1)
    .regex(/^[^:]*$/, 'must not hold a colon')
    .optional(),
  password: z.string().optional(),
  headers: headersSchema.default({}),
  timeout_ms: z.int().min(100).max(600_000).default(10_000),
  max_response_bytes: z.int().min(1_024).max(1_073_741_824).default(33_554_432),
  ca: z.string().min(1).optional(),
  insecure: z.boolean().default(false),
  tenants: z.array(tenantSchema).min(1).optional(),
};

const searchEngine = { ...shared, indices: z.array(z.string().min(1).max(255)).min(1).optional() };

const entrySchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('elasticsearch'), ...searchEngine }),
    z.strictObject({ kind: z.literal('opensearch'), ...searchEngine }),
    z.strictObject({ kind: z.literal('http'), ...shared }),
  ])
  .superRefine((entry, context) => {
    const fault = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message });
    const names = Object.keys(entry.headers).map((name) => name.toLowerCase());
    if (new Set(names).size < names.length) fault('headers', 'names a header twice');
    if ((entry.username === undefined) !== (entry.password === undefined))
      fault('password', 'goes with username, and neither without the other');
    if (entry.api_key !== undefined && entry.username !== undefined) fault('api_key', 'has no place beside username and password');
    const asked = entry.api_key !== undefined || entry.username !== undefined;
    if (asked && names.includes('authorization')) fault('headers', 'must not hold Authorization beside other credentials');
    if (entry.api_key !== undefined && entry.kind === 'opensearch')
      fault('api_key', 'is nothing that OpenSearch knows; give username and password');
    const isTls = entry.url.startsWith('https:');
    if (!isTls && (entry.ca !== undefined || entry.insecure)) fault('url', 'must be https: where ca or insecure is given');
    if (entry.ca !== undefined && entry.insecure) fault('ca', 'has no use with "insecure": true');
  });

type Entry = z.infer<typeof entrySchema>;

const AUTH_SCHEME: Readonly<Record<RetrieverKind, string>> = { elasticsearch: 'ApiKey', opensearch: 'ApiKey', http: 'Bearer' };

function credentials({ kind, api_key: key, username, password }: Entry): Readonly<Record<string, string>> {
  if (key !== undefined) return { authorization: `${AUTH_SCHEME[kind]} ${key}` };
  if (username === undefined || password === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}

function connectionOf(entry: Entry, context: z.RefinementCtx): RetrieverConnection {
  const { name, kind, url, timeout_ms: timeoutMs, max_response_bytes: maxResponseBytes, insecure, tenants } = entry;
  const indices = entry.kind === 'http' ? undefined : entry.indices;
  const ca = entry.ca === undefined ? undefined : readCertificates(entry.ca, context);
  const headers = Object.entries({ ...entry.headers, ...credentials(entry) });
  return {
    name,
    kind,
    url,
    headers: Object.fromEntries(headers.map(([header, text]) => [header.toLowerCase(), new Secret(text)])),
    timeoutMs,
    maxResponseBytes,
    insecure,
    ...(ca === undefined ? {} : { ca }),
    ...(tenants === undefined ? {} : { tenants }),
    ...(indices === undefined ? {} : { indices }),
  };
}

function readCertificates(ca: string, context: z.RefinementCtx): string {
  const text = ca.includes('-----BEGIN CERTIFICATE-----') ? ca : readText(ca);
  if (text?.includes('-----BEGIN CERTIFICATE-----') === true) return text;
  context.addIssue({ code: 'custom', path: ['ca'], message: 'is neither PEM text nor the path of a PEM file that can be read' });
  return z.NEVER;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

function readJson(text: string, context: z.RefinementCtx): unknown {
  const json = text.trimStart().startsWith('[') ? text : readText(text);
  if (json === undefined) {
    context.addIssue('is neither a JSON array nor the path of a file that can be read');
    return z.NEVER;
  }
  try {
    return JSON.parse(json) as unknown;
  } catch {
    context.addIssue('is not valid JSON');
    return z.NEVER;
  }
}

/** The text of `RETRIEVERS`: a JSON array, or the path of a file that holds one. */
export const retrieversSchema = z
  .string()
  .transform(readJson)
  .pipe(
    z
      .array(entrySchema.transform(connectionOf))
      .refine((entries) => new Set(entries.map(({ name }) => name)).size === entries.length, 'names a connection twice'),
  );
