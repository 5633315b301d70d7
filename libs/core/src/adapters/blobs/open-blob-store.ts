import type { BlobLocation } from '../../config/index.js';
import type { BlobStore } from '../../ports/index.js';
import { FileBlobStore } from './file-blob-store.js';

/** No write takes so long: what has lain for it is of a process that was killed. */
const ABANDONED_MS = 24 * 3_600_000;
const SWEEP_PERIOD_MS = 3_600_000;

export interface OpenBlobStore {
  readonly blobs: BlobStore;
  /** Ends the sweeping, and the connections where there are any. */
  readonly close: () => void;
}

export interface OpenBlobStoreOptions {
  /** Told when the sweeping of abandoned writes failed; it is tried again. */
  readonly onFault?: (error: unknown) => void;
}

/**
 * Opens the store that the configuration names, without asking whether it can be reached. Writes that a killed process left unfinished are removed after a
 * day, at the opening and every hour. The SDK of S3 is loaded only where it is needed.
 */
export async function openBlobStore(
  location: BlobLocation,
  { onFault = () => undefined }: OpenBlobStoreOptions = {},
): Promise<OpenBlobStore> {
  const store = location.kind === 'file' ? new FileBlobStore(location.directory) : await openS3(location);
  const sweep = (): void => void store.sweep(ABANDONED_MS).catch(onFault);
  sweep();
  const timer = setInterval(sweep, SWEEP_PERIOD_MS).unref();
  return {
    blobs: store,
    close: () => {
      clearInterval(timer);
      if (!(store instanceof FileBlobStore)) store.close();
    },
  };
}

async function openS3(location: Extract<BlobLocation, { kind: 's3' }>) {
  const { S3BlobStore } = await import('./s3-blob-store.js');
  return new S3BlobStore(location);
}
