/** Where Redis is, as a URL of ours says it. */
export type RedisAddress = RedisLogin &
  (
    | { readonly kind: 'single'; readonly host: string; readonly port: number; readonly db: number }
    | { readonly kind: 'socket'; readonly path: string; readonly db: number }
    | {
        readonly kind: 'sentinel';
        readonly sentinels: readonly RedisNode[];
        /** Name of the master that the sentinels watch. */
        readonly master: string;
        readonly db: number;
        readonly sentinelUsername?: string;
        readonly sentinelPassword?: string;
      }
    | { readonly kind: 'cluster'; readonly nodes: readonly RedisNode[] }
  );

export interface RedisNode {
  readonly host: string;
  readonly port: number;
}

interface RedisLogin {
  readonly username?: string;
  readonly password?: string;
  /** Absent: no TLS. Paths of PEM files; without `ca`, the system's authorities are trusted. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly servername?: string };
}

const FORM =
  'must be redis://[user:password@]host[:port][/db], unix:///path, redis+sentinel://[user:password@]host:port,…/master[/db] or redis+cluster://[user:password@]host:port,…; rediss… for TLS';
const SCHEME = /^(redis|rediss|unix)(?:\+(sentinel|cluster))?:\/\/(?:([^@]*)@)?([^/?]*)(\/[^?]*)?(?:\?(.*))?$/;
const PORT = { redis: 6_379, sentinel: 26_379 } as const;
const PARAMETERS = new Set(['ca', 'cert', 'key', 'servername', 'sentinel_username', 'sentinel_password', 'db']);

/**
 * Reads a URL of Redis: one server, a socket, Sentinel or Cluster, with login and TLS. Query parameters: `ca`, `cert`, `key` (paths of PEM files), `servername`,
 * `sentinel_username`, `sentinel_password`.
 *
 * @throws RangeError that says what the URL must be; it holds nothing of the URL
 */
export function parseRedisUrl(url: string): RedisAddress {
  const match = SCHEME.exec(url);
  if (match === null) throw new RangeError(FORM);
  const [, scheme = '', topology, login, hosts = '', path = '', query] = match;
  const parameters = new URLSearchParams(query);
  const unknown = [...parameters.keys()].find((name) => !PARAMETERS.has(name));
  if (unknown !== undefined) throw new RangeError(`has an unknown parameter; known are ${[...PARAMETERS].join(', ')}`);
  if (scheme === 'unix') {
    if (topology !== undefined || hosts !== '' || path === '') throw new RangeError(FORM);
    return { kind: 'socket', path: decode(path), db: dbOf(parameters.get('db') ?? undefined), ...loginOf(login) };
  }
  const common = { ...loginOf(login), ...(scheme === 'rediss' ? { tls: tlsOf(parameters) } : {}) };
  const nodes = hosts.split(',').map((host) => nodeOf(host, topology === 'sentinel' ? PORT.sentinel : PORT.redis));
  const [first, second, ...more] = path.split('/').slice(1).map(decode);
  if (more.length > 0) throw new RangeError(FORM);
  if (topology === 'sentinel') {
    if (first === undefined || first === '') throw new RangeError(FORM);
    return { kind: 'sentinel', sentinels: nodes, master: first, db: dbOf(second), ...sentinelLoginOf(parameters), ...common };
  }
  if (second !== undefined) throw new RangeError(FORM);
  if (topology === 'cluster') {
    if (first !== undefined && first !== '' && first !== '0') throw new RangeError('must name no database: a Cluster has only one');
    return { kind: 'cluster', nodes, ...common };
  }
  const [node] = nodes;
  if (node === undefined || nodes.length > 1) throw new RangeError(`names several hosts; ${FORM}`);
  return { kind: 'single', ...node, db: dbOf(first), ...common };
}

function nodeOf(text: string, port: number): RedisNode {
  const match = /^(\[[0-9a-f:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/i.exec(text);
  const number = match?.[2] === undefined ? port : Number(match[2]);
  if (match === null || number < 1 || number > 65_535) throw new RangeError(FORM);
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port: number };
}

function dbOf(text: string | undefined): number {
  if (text === undefined || text === '') return 0;
  if (!/^\d{1,5}$/.test(text)) throw new RangeError(FORM);
  return Number(text);
}

/** `user:password`, `:password` or `user`. */
function loginOf(text: string | undefined): RedisLogin {
  if (text === undefined || text === '') return {};
  const at = text.indexOf(':');
  const [username, password] = at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
  return { ...(username === '' ? {} : { username: decode(username) }), ...(password === '' ? {} : { password: decode(password) }) };
}

function tlsOf(parameters: URLSearchParams): NonNullable<RedisLogin['tls']> {
  const given = (['ca', 'cert', 'key', 'servername'] as const).flatMap((name) => {
    const value = parameters.get(name);
    return value === null ? [] : [[name, value] as const];
  });
  return Object.fromEntries(given);
}

function sentinelLoginOf(parameters: URLSearchParams): { sentinelUsername?: string; sentinelPassword?: string } {
  const [username, password] = [parameters.get('sentinel_username'), parameters.get('sentinel_password')];
  return { ...(username === null ? {} : { sentinelUsername: username }), ...(password === null ? {} : { sentinelPassword: password }) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RangeError(FORM);
  }
}
