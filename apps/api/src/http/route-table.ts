import type { FastifyInstance } from 'fastify';

export interface Route {
  readonly method: string;
  /** As Fastify writes it: `/v1/corpora/:name`. */
  readonly path: string;
  readonly scope: string | readonly string[] | undefined;
}

const TABLES = new WeakMap<object, Route[]>();

/** Keeps a list of every route that is registered from now on. */
export function recordRoutes(instance: FastifyInstance): void {
  const routes: Route[] = [];
  TABLES.set(instance, routes);
  instance.addHook('onRoute', (options) => {
    for (const method of [options.method].flat()) routes.push({ method, path: options.url, scope: options.config?.scope });
  });
}

export function routesOf(instance: FastifyInstance): readonly Route[] {
  return TABLES.get(instance) ?? [];
}

/** Methods that the path of `url` takes, ascending; empty if it is no path of ours. */
export function allowedMethods(instance: FastifyInstance, url: string): readonly string[] {
  const path = url.split('?', 1)[0] ?? '';
  const methods = routesOf(instance)
    .filter((route) => matches(route.path, path))
    .map((route) => route.method);
  return [...new Set(methods)].sort();
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/');
  const given = path.split('/');
  return (
    wanted.length === given.length &&
    wanted.every((segment, position) => segment === given[position] || (segment.startsWith(':') && given[position] !== ''))
  );
}
