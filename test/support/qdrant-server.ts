export interface QdrantServer {
  readonly url: string;
  readonly apiKey?: string;
}

/** The server that the surroundings name for tests; undefined if they name none. */
export function qdrantServer(env: NodeJS.ProcessEnv = process.env): QdrantServer | undefined {
  const [url, apiKey] = [env['QDRANT_URL'], env['QDRANT_API_KEY']];
  return url === undefined || url === '' ? undefined : { url, ...(apiKey === undefined ? {} : { apiKey }) };
}
