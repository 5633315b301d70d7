import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from './load-config.js';

const locationOf = (env: Record<string, string>) => loadConfig({ RERANK_STATE_DIR: '/srv/state', ...env }).stores.blobs;

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    locationOf(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

describe('where blobs are kept', () => {
  it('is a folder of the state directory unless BLOB_URL names another', () => {
    expect(locationOf({})).toEqual({ kind: 'file', directory: '/srv/state/blobs' });
    expect(locationOf({ BLOB_URL: 'file:///var/lib/rerank%20fleet' })).toEqual({ kind: 'file', directory: '/var/lib/rerank fleet' });
  });

  it('is a bucket of AWS, by what the SDK finds in its surroundings', () => {
    const s3 = { kind: 's3', bucket: 'my-bucket.example', pathStyle: false, timeoutMs: 10_000 };
    expect(locationOf({ BLOB_URL: 's3://my-bucket.example' })).toEqual({ ...s3, prefix: '' });
    expect(locationOf({ BLOB_URL: 's3://my-bucket.example/fleet/eu-1/' })).toEqual({ ...s3, prefix: 'fleet/eu-1' });
    expect(locationOf({ BLOB_URL: 's3://my-bucket.example?region=eu-west-1' })).toEqual({ ...s3, prefix: '', region: 'eu-west-1' });
  });

  it('is a bucket of another server, by path unless told otherwise', () => {
    const endpoint = 'http://minio:9000';
    const s3 = { kind: 's3', bucket: 'blobs', prefix: 'a', endpoint, region: 'us-east-1', pathStyle: true, timeoutMs: 10_000 };
    expect(locationOf({ BLOB_URL: `s3://blobs/a?endpoint=${encodeURIComponent(endpoint)}` })).toEqual(s3);
    expect(locationOf({ BLOB_URL: 's3://blobs/a', S3_ENDPOINT: endpoint })).toEqual(s3);
    expect(locationOf({ BLOB_URL: 's3://blobs/a', S3_ENDPOINT: endpoint, S3_PATH_STYLE: 'false' })).toEqual({ ...s3, pathStyle: false });
  });

  it('is what the URL says where a field says something else', () => {
    const url = 's3://blobs?region=eu-west-1&endpoint=http://one:9000&path_style=false';
    expect(locationOf({ BLOB_URL: url, S3_REGION: 'us-west-2', S3_ENDPOINT: 'http://other:9000', S3_PATH_STYLE: 'true' })).toMatchObject({
      region: 'eu-west-1',
      endpoint: 'http://one:9000',
      pathStyle: false,
    });
  });

  it('takes credentials and the time of a call from their fields', () => {
    const env = { BLOB_URL: 's3://blobs', S3_ACCESS_KEY_ID: 'id', S3_SECRET_ACCESS_KEY: 'secret', S3_TIMEOUT_MS: '500' };
    expect(locationOf(env)).toMatchObject({ credentials: { accessKeyId: 'id', secretAccessKey: 'secret' }, timeoutMs: 500 });
  });

  it.each([
    ['ftp://host/x', 'BLOB_URL: '],
    ['file://host/x', 'BLOB_URL: must be file:///path'],
    ['s3://Bucket', 'BLOB_URL: must be s3://bucket/prefix'],
    ['s3:///prefix', 'BLOB_URL: must be s3://bucket/prefix'],
    ['s3://blobs:9000', 'BLOB_URL: must be s3://bucket/prefix'],
    ['s3://blobs/a//b', 'BLOB_URL: has a prefix'],
    ['s3://blobs/.hidden', 'BLOB_URL: has a prefix'],
    ['s3://blobs/a%20b', 'BLOB_URL: has a prefix'],
    ['s3://blobs?endpiont=http://x', 'BLOB_URL: takes region, endpoint and path_style'],
    ['s3://blobs?endpoint=minio:9000', 'BLOB_URL: has an endpoint'],
    ['s3://blobs?path_style=yes', 'BLOB_URL: has a path_style'],
    ['s3://key:hunter2@blobs', 'BLOB_URL: must not hold credentials'],
  ])('refuses %s and does not repeat it', (url, fault) => {
    const faults = faultsOf({ BLOB_URL: url });
    expect(faults).toHaveLength(1);
    expect(faults[0]).toContain(fault);
    expect(faults[0]).not.toContain('hunter2');
  });

  it('refuses half of the credentials', () => {
    expect(faultsOf({ BLOB_URL: 's3://blobs', S3_ACCESS_KEY_ID: 'id' })).toEqual([expect.stringContaining('S3_ACCESS_KEY_ID: goes with')]);
    expect(faultsOf({ BLOB_URL: 's3://blobs', S3_SECRET_ACCESS_KEY: 'secret' })).toEqual([
      expect.stringContaining('S3_ACCESS_KEY_ID: goes with'),
    ]);
  });

  it('is told together with other faults', () => {
    expect(faultsOf({ BLOB_URL: 's3://B', HOST: '0.0.0.0' }).map((fault) => fault.split(':')[0])).toEqual(['BLOB_URL', 'API_KEYS']);
  });
});
