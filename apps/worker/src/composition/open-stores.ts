import { join } from 'node:path';
import { openBlobStore } from '@rerank-fleet/core/adapters/blobs/open-blob-store';
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import type { Config } from '@rerank-fleet/core/config';
import type { Logger } from '@rerank-fleet/core/observability';
import type { BlobStore, CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';

export interface Stores {
  readonly candidates: CandidateStore;
  readonly documents: DocumentStore;
  readonly blobs: BlobStore;
  close(): Promise<void>;
}

/** Qdrant where it is configured, else the embedded store; blobs as files or on S3. */
export async function openStores({ stores, state }: Config, log: Logger): Promise<Stores> {
  const { qdrantUrl: url, qdrantApiKey: apiKey, qdrantTimeoutMs: timeoutMs } = stores;
  const { candidateStore, documentStore } =
    url === undefined
      ? openEmbeddedStores({ directory: join(state.directory, 'store') })
      : openQdrantStores({ url, timeoutMs, ...(apiKey === undefined ? {} : { apiKey }) });
  const onFault = (error: unknown): void =>
    log.warn({ err: error }, 'Abandoned writes could not be removed from the blob store; trying again later.');
  const { blobs, close } = await openBlobStore(stores.blobs, { onFault });
  return {
    candidates: candidateStore,
    documents: documentStore,
    blobs,
    close: async () => {
      close();
      await candidateStore.close();
      await documentStore.close();
    },
  };
}
