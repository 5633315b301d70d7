import { InvariantError, RerankError } from '../../errors/index.js';

/** What servers of the S3 protocol call a bucket, a tenant or a disk that is full. */
const FULL = new Set(['QuotaExceeded', 'InsufficientStorage', 'StorageFull', 'XMinioStorageFull', 'XMinioAdminBucketQuotaExceeded']);

interface S3Fault {
  readonly name: string;
  readonly status: number | undefined;
}

function faultOf(error: unknown): S3Fault {
  const { name = '', $metadata } = (error ?? {}) as { name?: string; $metadata?: { httpStatusCode?: number } };
  return { name, status: $metadata?.httpStatusCode };
}

/** The object is not there. That the bucket is not is another fault; an answer to HEAD has no body to tell. */
export function isMissing(error: unknown): boolean {
  return ['NoSuchKey', 'NotFound'].includes(faultOf(error).name);
}

/** The upload in parts has been ended or given up. */
export function isNoUpload(error: unknown): boolean {
  return faultOf(error).name === 'NoSuchUpload';
}

/** The range begins behind the end. */
export function isBeyondEnd(error: unknown): boolean {
  return faultOf(error).status === 416;
}

/** A condition on what is there, or is not, did not hold. */
export function isConditionFailed(error: unknown): boolean {
  return faultOf(error).status === 412;
}

/** Another writer or a delete was at the same object. */
export function isConflict(error: unknown): boolean {
  return faultOf(error).status === 409;
}

export function asS3Error(error: unknown): unknown {
  if (error instanceof RerankError || error instanceof InvariantError) return error;
  const { name, status } = faultOf(error);
  if (status === 507 || FULL.has(name)) {
    return new RerankError(
      'storage_full',
      'The S3 store of uploads and jobs is full. Free space or point BLOB_URL elsewhere, then send this again; nothing of it was kept.',
      { cause: error, retryAfterS: 60 },
    );
  }
  return new RerankError('blob_store_unavailable', 'The S3 store of uploads and jobs cannot be reached or refuses the call. Try again.', {
    cause: error,
    retryAfterS: 5,
  });
}
