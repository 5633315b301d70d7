import { fileURLToPath } from 'node:url';

/** Where blobs are kept. */
export type BlobLocation = FileLocation | S3Location;

export interface FileLocation {
  readonly kind: 'file';
  readonly directory: string;
}

export interface S3Location {
  readonly kind: 's3';
  readonly bucket: string;
  /** Before every key, with a slash between; empty for none. */
  readonly prefix: string;
  /** Not set: as the AWS SDK finds it (`AWS_REGION`, shared configuration). */
  readonly region?: string;
  /** Of a server that is not AWS'. */
  readonly endpoint?: string;
  /** The bucket stands in the path instead of in the host's name. */
  readonly pathStyle: boolean;
  /** Not set: as the AWS SDK finds them (environment, shared configuration, web identity, instance role). */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Longest silence of the server; each call is tried three times. */
  readonly timeoutMs: number;
}

/** The fields beside BLOB_URL. */
export interface S3Fields {
  readonly s3Endpoint: string | undefined;
  readonly s3Region: string | undefined;
  readonly s3PathStyle: boolean | undefined;
  readonly s3AccessKeyId: string | undefined;
  readonly s3SecretAccessKey: string | undefined;
  readonly s3TimeoutMs: number;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^([A-Za-z0-9_-][A-Za-z0-9._-]*(\/|$))*$/;

/** What BLOB_URL and the S3 fields say together; undefined, with the faults told, where they cannot work. What the URL says goes before a field. */
export function readBlobLocation(blobUrl: string, fields: S3Fields, faults: string[]): BlobLocation | undefined {
  const url = new URL(blobUrl);
  if (url.protocol === 's3:') return readS3Location(url, fields, faults);
  try {
    return { kind: 'file', directory: fileURLToPath(url) };
  } catch {
    faults.push('BLOB_URL: must be file:///path, with three slashes and no host');
    return undefined;
  }
}

function readS3Location(url: URL, fields: S3Fields, faults: string[]): S3Location | undefined {
  const found = faults.length;
  const fault = (text: string): number => faults.push(`BLOB_URL: ${text}`);
  const prefix = url.pathname.replaceAll(/^\/+|\/+$/g, '');
  const { region, endpoint, path_style: pathStyle, ...unknown } = Object.fromEntries(url.searchParams);
  if (url.username !== '' || url.password !== '')
    fault('must not hold credentials; S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY are for them');
  if (!BUCKET.test(url.hostname) || url.port !== '')
    fault('must be s3://bucket/prefix with a bucket of 3 to 63 lower-case letters, digits, dots and hyphens');
  if (!PREFIX.test(prefix)) fault('has a prefix of other characters than letters, digits, dots, hyphens and underscores');
  if (Object.keys(unknown).length > 0 || url.hash !== '')
    fault('takes region, endpoint and path_style after the question mark, and nothing else');
  if (endpoint !== undefined && !isHttpUrl(endpoint)) fault('has an endpoint that is no http:// or https:// URL');
  if (pathStyle !== undefined && pathStyle !== 'true' && pathStyle !== 'false') fault('has a path_style that is neither true nor false');
  if ((fields.s3AccessKeyId === undefined) !== (fields.s3SecretAccessKey === undefined))
    faults.push('S3_ACCESS_KEY_ID: goes with S3_SECRET_ACCESS_KEY; set both or neither');
  if (faults.length > found) return undefined;
  return describeS3(
    { bucket: url.hostname, prefix, region, endpoint, pathStyle: pathStyle === undefined ? undefined : pathStyle === 'true' },
    fields,
  );
}

interface S3Url {
  readonly bucket: string;
  readonly prefix: string;
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
  readonly pathStyle: boolean | undefined;
}

function describeS3(url: S3Url, fields: S3Fields): S3Location {
  const endpoint = url.endpoint ?? fields.s3Endpoint;
  // Servers other than AWS' ask for some region in the signature and do not care which.
  const region = url.region ?? fields.s3Region ?? (endpoint === undefined ? undefined : 'us-east-1');
  const { s3AccessKeyId: accessKeyId, s3SecretAccessKey: secretAccessKey } = fields;
  return {
    kind: 's3',
    bucket: url.bucket,
    prefix: url.prefix,
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    pathStyle: url.pathStyle ?? fields.s3PathStyle ?? endpoint !== undefined,
    ...(accessKeyId === undefined || secretAccessKey === undefined ? {} : { credentials: { accessKeyId, secretAccessKey } }),
    timeoutMs: fields.s3TimeoutMs,
  };
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
