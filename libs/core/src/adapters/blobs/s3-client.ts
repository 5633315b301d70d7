import { S3Client } from '@aws-sdk/client-s3';
import type { S3Location } from '../../config/index.js';

/** With the pauses between them, of a server that refuses connections, they take less than a second. */
export const ATTEMPTS = 3;
const MOST_CONNECTING_MS = 5_000;

/** Every call ends: in a connection that does not come about, or that is silent, within the location's time for each of the attempts. */
export function connectS3({ region, endpoint, pathStyle, credentials, timeoutMs }: S3Location): S3Client {
  return new S3Client({
    ...(region === undefined ? {} : { region }),
    // Checksums that AWS added in 2024 are refused by older servers of the protocol; what a call needs is sent anyhow.
    ...(endpoint === undefined
      ? {}
      : { endpoint, requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' }),
    // A copy: the SDK writes into what it is given, and the configuration is frozen.
    ...(credentials === undefined ? {} : { credentials: { ...credentials } }),
    forcePathStyle: pathStyle,
    maxAttempts: ATTEMPTS,
    // Bodies are in memory and can be sent again, and a connection that waits for leave is not used twice.
    expectContinueHeader: false,
    requestHandler: { connectionTimeout: Math.min(timeoutMs, MOST_CONNECTING_MS), socketTimeout: timeoutMs },
  });
}
