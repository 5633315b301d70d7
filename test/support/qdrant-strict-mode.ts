import type { Intercepted } from './qdrant-replay-server.js';

const refused: Intercepted = { status: 400, body: { status: { error: 'Bad request: Index required but not found' } } };
const completed: Intercepted = { status: 200, body: { result: { operation_id: 0, status: 'completed' }, status: 'ok' } };

/** What a server in strict mode refuses: conditions on fields that have no index. For `intercept` of a replay server, from before the first index was made. */
export class QdrantStrictMode {
  /** Collection and field. */
  readonly indexed = new Set<string>();
  readonly named = new Set<string>();
  /** Requests about indexes: which there are, and that one be made. */
  asked = 0;
  /** As an earlier release made them: of these fields none. */
  unmade: readonly string[] = [];
  isRefusing = true;

  readonly intercept = (method: string, path: string, body: unknown): Intercepted => {
    const [, , collection, what] = path.split('?')[0]!.split('/');
    if ((method === 'GET' && what === undefined) || what === 'index') this.asked += 1;
    if (what === 'index') return this.#makeIndex(collection!, (body as { field_name: string }).field_name);
    const keys = keysNamedIn(body).map((key) => `${collection!} ${key}`);
    for (const key of keys) this.named.add(key);
    return this.isRefusing && keys.some((key) => !this.indexed.has(key)) ? refused : undefined;
  };

  #makeIndex(collection: string, field: string): Intercepted {
    if (this.unmade.includes(field)) return completed;
    this.indexed.add(`${collection} ${field}`);
    return undefined;
  }
}

/** Of all conditions in a request's body. */
function keysNamedIn(body: unknown): string[] {
  if (typeof body !== 'object' || body === null) return [];
  const own = 'key' in body && typeof body.key === 'string' && ('match' in body || 'range' in body) ? [body.key] : [];
  return [...own, ...Object.values(body).flatMap(keysNamedIn)];
}
