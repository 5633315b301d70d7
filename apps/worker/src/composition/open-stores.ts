import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileBlobStore } from '@rerank-fleet/core/adapters/blobs/file-blob-store';
import { openEmbeddedStores } from '@rerank-fleet/core/adapters/embedded/index';
import { openQdrantStores } from '@rerank-fleet/core/adapters/qdrant/index';
import type { Config } from '@rerank-fleet/core/config';
import type { BlobStore, CandidateStore, DocumentStore } from '@rerank-fleet/core/ports';

export interface Stores {
  readonly candidates: CandidateStore;
  readonly documents: DocumentStore;
  readonly blobs: BlobStore;
}

/** Qdrant where it is configured, else the embedded store. */
export function openStores({ stores, state }: Config): Stores {
  const { qdrantUrl: url, qdrantApiKey: apiKey, qdrantTimeoutMs: timeoutMs } = stores;
  const { candidateStore, documentStore } =
    url === undefined
      ? openEmbeddedStores({ directory: join(state.directory, 'store') })
      : openQdrantStores({ url, timeoutMs, ...(apiKey === undefined ? {} : { apiKey }) });
  return { candidates: candidateStore, documents: documentStore, blobs: new FileBlobStore(fileURLToPath(stores.blobUrl)) };
}
