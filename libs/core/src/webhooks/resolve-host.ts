import { lookup, Resolver } from 'node:dns/promises';

/** All addresses of a host name, in the order in which to try them. Rejects when there is none, or when the signal aborts. */
export type ResolveHost = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

/**
 * Asks name servers alone: no hosts file and no search domains, which name what is inside. It takes none of the few threads that Node
 * resolves names on, so a name server that is slow on purpose keeps nobody else waiting.
 *
 * @param servers `address:port` each. @defaultValue those of the system
 */
export function byNameServers(servers?: readonly string[]): ResolveHost {
  return async (host, signal) => {
    signal.throwIfAborted();
    const resolver = new Resolver({ timeout: 2_000, tries: 2 });
    if (servers !== undefined) resolver.setServers(servers);
    const cancel = (): void => resolver.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    try {
      const [ipv4, ipv6] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      const addresses = [ipv4, ipv6].flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
      if (addresses.length === 0 && ipv4.status === 'rejected') throw ipv4.reason;
      return addresses;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  };
}

/** As everything on this machine resolves names, hosts file included. */
export const bySystem: ResolveHost = async (host) => (await lookup(host, { all: true })).map(({ address }) => address);
