import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { S3Location } from '@rerank-fleet/core/config';
import { defaultCacheDirectory, withFileLock } from '@rerank-fleet/core/models';
import { chosen } from './environment.js';

const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('s3_server.py', import.meta.url));
const BUCKET = 'rerank';
/** moto honours `If-None-Match: *`, also where an upload in parts is completed. These are all the packages that its S3 server needs. */
const PACKAGES = [
  ...[
    'moto==5.2.5',
    'blinker==1.9.0',
    'boto3==1.44.5',
    'botocore==1.44.5',
    'certifi==2026.10.18',
    'cffi==2.1.1',
    'charset_normalizer==3.5.2',
  ],
  ...['click==8.5.1', 'cryptography==50.0.2', 'flask==3.1.3', 'flask_cors==6.0.5', 'idna==3.20', 'itsdangerous==2.2.0', 'jinja2==3.1.6'],
  ...['jmespath==1.1.0', 'markupsafe==3.0.4', 'pycparser==3.12', 'python_dateutil==2.9.0.post0', 'pyyaml==6.0.3', 'requests==2.34.2'],
  ...['responses==0.26.3', 's3transfer==0.19.3', 'six==1.17.0', 'urllib3==2.8.0', 'werkzeug==3.1.9', 'xmltodict==1.0.4'],
];
const OLDEST_PYTHON = [3, 10] as const;
const INSTALL_MS = 150_000;

/** There is no S3 server here and none can be fetched; a test says so and skips itself. */
export class NoS3Server extends Error {
  override readonly name = 'NoS3Server';
}

/** moto's S3 server, with one bucket: a process of the test's own that keeps objects in its memory. */
export class S3Server {
  readonly url: string;
  readonly #process: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.url = `http://127.0.0.1:${port}`;
  }

  /** @throws NoS3Server */
  static async start(): Promise<S3Server> {
    const child = spawn('python3', ['-S', PROGRAM, await installPackages()], { stdio: ['pipe', 'pipe', 'pipe'] });
    const complaints: string[] = [];
    createInterface({ input: child.stderr }).on('line', (line) => complaints.push(line));
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    const port = await new Promise<number>((resolve, reject) => {
      createInterface({ input: child.stdout }).once('line', (line) => resolve(Number(line)));
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`The S3 server ended with ${String(code)}:\n${complaints.join('\n')}`)));
    });
    const server = new S3Server(child, port);
    const client = server.client();
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
    client.destroy();
    return server;
  }

  /** Of its bucket, for a store whose objects stand under `prefix`. */
  location(prefix: string, overrides: Partial<S3Location> = {}): S3Location {
    // Frozen, as configuration is.
    const credentials = Object.freeze({ accessKeyId: 'test', secretAccessKey: 'test' });
    const location = { kind: 's3', bucket: BUCKET, prefix, region: 'us-east-1', endpoint: this.url, pathStyle: true, credentials } as const;
    return { ...location, timeoutMs: 10_000, ...overrides };
  }

  /** To look at what a store has done. */
  client(): S3Client {
    return new S3Client({
      region: 'us-east-1',
      endpoint: this.url,
      forcePathStyle: true,
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    });
  }

  /** Takes connections and says nothing, until `thaw`. */
  freeze(): void {
    this.#process.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}

/** The folder of the packages, for this machine's Python; fetched once, as the packaged redis-server is. */
async function installPackages(): Promise<string> {
  const version = await pythonVersion();
  const cache = defaultCacheDirectory(chosen('XDG_CACHE_HOME'));
  const folder = join(cache, `s3-server-5.2.5-python-${version}`);
  const isThere = (): Promise<boolean> =>
    stat(folder).then(
      () => true,
      () => false,
    );
  if (await isThere()) return folder;
  const staged = join(cache, '.staging', 's3-server');
  await withFileLock(join(cache, '.locks', 's3-server'), async () => {
    if (await isThere()) return;
    await rm(staged, { recursive: true, force: true });
    await mkdir(dirname(staged), { recursive: true });
    const pip = [
      '-m',
      'pip',
      '--quiet',
      '--disable-pip-version-check',
      'install',
      '--no-deps',
      '--only-binary=:all:',
      '--no-compile',
      '--target',
      staged,
    ];
    await run('python3', [...pip, ...PACKAGES], { timeout: INSTALL_MS }).catch((cause: unknown) => {
      const { stderr = '' } = cause as { stderr?: string };
      throw new NoS3Server(`pip cannot fetch the S3 server: ${stderr.trim().split('\n').at(-1) ?? ''}`, { cause });
    });
    await rename(staged, folder);
  });
  return folder;
}

async function pythonVersion(): Promise<string> {
  const { stdout } = await run('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']).catch((cause: unknown) => {
    throw new NoS3Server('the S3 server needs python3', { cause });
  });
  const version = stdout.trim();
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST_PYTHON[0] || (major === OLDEST_PYTHON[0] && minor < OLDEST_PYTHON[1]))
    throw new NoS3Server(`the S3 server needs Python ${OLDEST_PYTHON.join('.')} or later, and python3 is ${version}`);
  return version;
}
