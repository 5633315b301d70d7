import { randomUUID } from 'node:crypto';
import { S3BlobStore } from '@rerank-fleet/core/adapters/blobs/s3-blob-store';
import { NoS3Server, S3Server } from '../support/s3-server.js';
import { describeBlobStore } from './describe-blob-store.js';

describeBlobStore('S3BlobStore', async () => {
  let server: S3Server;
  try {
    server = await S3Server.start();
  } catch (error) {
    if (!(error instanceof NoS3Server)) throw error;
    return { unavailable: error.message, open: () => Promise.reject(error), close: () => Promise.resolve() };
  }
  const stores: S3BlobStore[] = [];
  return {
    open: async () => {
      const store = new S3BlobStore(server.location(`stores/${randomUUID()}`));
      stores.push(store);
      return store;
    },
    close: async () => {
      for (const store of stores) store.close();
      await server.stop();
    },
  };
});
