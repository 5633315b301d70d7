import { S3ServiceException } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { InvariantError, RerankError } from '../../errors/index.js';
import { asS3Error } from './s3-errors.js';

const answer = (name: string, httpStatusCode: number): S3ServiceException =>
  new S3ServiceException({ name, $fault: 'client', $metadata: { httpStatusCode }, message: 'key AKIA123 of bucket b' });

describe('asS3Error', () => {
  it.each([
    ['InsufficientStorage', 507],
    ['SomethingNew', 507],
    ['QuotaExceeded', 403],
    ['XMinioStorageFull', 507],
    ['XMinioAdminBucketQuotaExceeded', 400],
  ])('calls %s (%d) a full store', (name, status) => {
    expect(asS3Error(answer(name, status))).toMatchObject({ code: 'storage_full', retryAfterS: 60 });
  });

  it.each([
    ['AccessDenied', 403],
    ['NoSuchBucket', 404],
    ['SlowDown', 503],
    ['InternalError', 500],
  ])('calls %s (%d) a store that cannot be used now', (name, status) => {
    expect(asS3Error(answer(name, status))).toMatchObject({ code: 'blob_store_unavailable', retryAfterS: 5 });
  });

  it('keeps what the server said for the log, and none of it for the client', () => {
    const cause = answer('AccessDenied', 403);
    const error = asS3Error(cause) as RerankError;
    expect(error.cause).toBe(cause);
    expect(error.message).not.toContain('AKIA123');
  });

  it.each([new InvariantError('a bug'), new RerankError('blob_store_unavailable', 'said before')])(
    'leaves our own errors as they are: %s',
    (error) => {
      expect(asS3Error(error)).toBe(error);
    },
  );
});
