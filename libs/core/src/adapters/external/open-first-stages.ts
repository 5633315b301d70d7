import type { RetrieverConnection } from '../../config/index.js';
import type { ExternalSource, JsonValue } from '../../domain/index.js';
import { RerankError } from '../../errors/index.js';
import type { FirstStage } from '../../ports/index.js';
import { ElasticsearchRetriever } from './elasticsearch/elasticsearch-retriever.js';
import { HttpRetriever } from './http/http-retriever.js';
import type { Retriever } from './retriever.js';

interface Named {
  readonly connection: RetrieverConnection;
  readonly retriever: Retriever;
}

/** The first stages of the operator's connections. Nothing is connected to before the first search. */
export function openFirstStages(connections: readonly RetrieverConnection[]): FirstStage {
  const known = new Map(connections.map((connection) => [connection.name, { connection, retriever: retrieverOf(connection) }]));
  return {
    settle: (tenant, { connection, options }) => {
      const found = known.get(connection);
      if (found === undefined || !mayUse(found, tenant))
        throw unknownConnection([...known.values()].filter((named) => mayUse(named, tenant)));
      return { connection, options: sorted(found.retriever.settle(options)) as ExternalSource['options'] };
    },
    retrieve: async (version, request) => {
      const { connection = '', options = {} } = version.source ?? {};
      const found = known.get(connection);
      if (found === undefined || !mayUse(found, version.tenant)) {
        throw new RerankError(
          'candidate_store_unavailable',
          `The first stage "${connection}" of this corpus is not configured for you any more (RETRIEVERS).`,
        );
      }
      return await found.retriever.retrieve(options, version, request);
    },
    close: () => {
      for (const { retriever } of known.values()) retriever.close();
    },
  };
}

function retrieverOf(connection: RetrieverConnection): Retriever {
  switch (connection.kind) {
    case 'elasticsearch':
    case 'opensearch':
      return new ElasticsearchRetriever(connection);
    case 'http':
      return new HttpRetriever(connection);
  }
}

function mayUse({ connection: { tenants } }: Named, tenant: string): boolean {
  return tenants === undefined || tenants.includes(tenant);
}

function unknownConnection(usable: readonly Named[]): RerankError {
  const names = usable.map(({ connection }) => `"${connection.name}"`).join(', ');
  const detail = names === '' ? 'names a connection, and none is configured for you (RETRIEVERS)' : `must be one of ${names}`;
  return new RerankError('invalid_request', `/source/connection ${detail}.`, { errors: [{ pointer: '/source/connection', detail }] });
}

/** With keys in one order, as stores may keep them in another than they came in. */
function sorted(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly JsonValue[]).map(sorted);
  const entries = Object.entries(value as Readonly<Record<string, JsonValue>>).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
}
