import type { Exchange } from './qdrant-replay-recording.js';

export interface QdrantRequest {
  readonly method: string;
  /** With its query string. */
  readonly path: string;
  readonly body: unknown;
}

/**
 * Fields of requests that the adapter sends and the recording does not hold: nobody has seen a server take them. They follow the request types of the
 * vendor's client, 1.19, and run against a real server only where `QDRANT_URL` is set.
 *
 * - Settings of a collection and of a quantized search: the recording has a collection of defaults, and `params` with `exact` alone.
 * - A payload set by filter: the recording sets one by ids. The conditions themselves are recorded ones.
 */
export const BEYOND_THE_RECORDING: Readonly<Record<string, readonly string[]>> = {
  'PUT /collections/{}': [
    'vectors.dense.on_disk',
    'hnsw_config',
    'hnsw_config.m',
    'hnsw_config.ef_construct',
    'quantization_config',
    'quantization_config.scalar',
    'quantization_config.scalar.type',
    'quantization_config.scalar.quantile',
    'quantization_config.scalar.always_ram',
    'quantization_config.binary',
    'quantization_config.binary.always_ram',
    'shard_number',
    'replication_factor',
  ],
  'POST /collections/{}/points/query': [
    'params.quantization',
    'params.quantization.rescore',
    'params.quantization.oversampling',
    'prefetch[].params',
    'prefetch[].params.quantization',
    'prefetch[].params.quantization.rescore',
    'prefetch[].params.quantization.oversampling',
  ],
  'POST /collections/{}/points/payload?wait=true': ['filter'],
};

/** Sent by the client library whether asked or not; the server's default. */
const ADDED_BY_THE_CLIENT = new Set(['with_vector']);

/** `PUT /collections/{}/points?wait=true` */
export function routeOf({ method, path }: { readonly method: string; readonly path: string }): string {
  return `${method} ${path.replace(/^\/collections\/(?!aliases$)[^/?]+/, '/collections/{}')}`;
}

/**
 * The fields of a request and how they nest, without names that a user chooses: a list's elements are one, payloads are opaque, and a
 * filter's clauses and conditions are gathered wherever they stand, since filters nest to any depth.
 */
function fieldsOf(body: unknown): Set<string> {
  const fields = new Set<string>();
  walk(body, '', fields);
  return fields;
}

function walk(value: unknown, at: string, into: Set<string>): void {
  if (Array.isArray(value)) {
    for (const element of value) walk(element, `${at}[]`, into);
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, inner] of Object.entries(value)) {
      const field = at === '' ? key : `${at}.${key}`;
      into.add(field);
      if (key === 'filter' || key === 'update_filter') walkFilter(inner, into);
      else if (key !== 'payload') walk(inner, field, into);
    }
  }
}

function walkFilter(filter: unknown, into: Set<string>): void {
  for (const [clause, conditions] of Object.entries(filter as Record<string, unknown>)) {
    into.add(`filter:${clause}`);
    for (const condition of (Array.isArray(conditions) ? conditions : []) as readonly object[]) {
      if (isNested(condition)) walkFilter(condition, into);
      else walk(condition, 'filter:condition', into);
    }
  }
}

function isNested(condition: object): boolean {
  return 'must' in condition || 'should' in condition || 'must_not' in condition;
}

/** Says what of a request a recorded, accepted one never had. */
export class RecordedShapes {
  private readonly byRoute = new Map<string, Set<string>>();
  private readonly filters = new Set<string>();

  constructor(
    exchanges: readonly Exchange[],
    private readonly beyond: Readonly<Record<string, readonly string[]>> = BEYOND_THE_RECORDING,
  ) {
    for (const { request, response } of exchanges) {
      if (response.status !== 200) continue;
      const known = this.byRoute.get(routeOf(request)) ?? new Set();
      this.byRoute.set(routeOf(request), known);
      for (const field of fieldsOf(request.body)) (field.startsWith('filter:') ? this.filters : known).add(field);
    }
  }

  /** Undefined for a request that the server would take. */
  objection(request: QdrantRequest): string | undefined {
    const route = routeOf(request);
    const known = this.byRoute.get(route);
    if (known === undefined) return `never recorded: ${route}`;
    const taken = new Set([...known, ...this.filters, ...ADDED_BY_THE_CLIENT, ...(this.beyond[route] ?? [])]);
    const strange = [...fieldsOf(request.body)].filter((field) => !taken.has(field));
    return strange.length === 0 ? undefined : `never recorded in ${route}: ${strange.join(', ')}`;
  }
}
