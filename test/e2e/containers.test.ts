import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { RerankClient } from '@rerank-fleet/client';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';
import { childEnvironment, chosen } from '../support/environment.js';
import { until } from '../support/stack.js';

/** The first start on a machine times the engine. */
const START_MS = 900_000;
const QUERY = 'how do penguins keep warm';
const ANSWER = 'Penguins huddle, and dense feathers hold warm air.';
/** A few seconds for a worker, and well inside the grace of every container. */
const SLOW_CALL = { query: QUERY, documents: Array.from({ length: 80 }, (_, n) => `${n}. ${ANSWER} `.repeat(12)) };

interface Inspected {
  readonly State: { readonly Status: string; readonly ExitCode: number; readonly Health: { readonly Status: string } };
  readonly HostConfig: { readonly ReadonlyRootfs: boolean; readonly CapDrop: readonly string[] };
  readonly RestartCount: number;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

/** The compose file as it is, as a project of its own, with images that are on the machine. */
class ComposeProject {
  readonly #environment: NodeJS.ProcessEnv;
  readonly client: RerankClient;
  readonly url: string;

  constructor(port: number) {
    const key = randomBytes(24).toString('hex');
    const keys = [{ key, tenant: 'local', scopes: ['search', 'jobs', 'ingest', 'admin'] }];
    this.#environment = childEnvironment({ COMPOSE_PROJECT_NAME: 'rerank-fleet-test', PORT: String(port), API_KEYS: JSON.stringify(keys) });
    this.url = `http://127.0.0.1:${port}`;
    this.client = new RerankClient({ baseUrl: this.url, apiKey: key, retries: 0 });
  }

  async compose(...args: readonly string[]): Promise<string> {
    const options = { cwd: REPOSITORY_ROOT, env: this.#environment, timeout: START_MS };
    return (await promisify(execFile)('docker', ['compose', ...args], options)).stdout.trim();
  }

  /** Until a worker has taken a call. */
  async untilInHand(): Promise<void> {
    const active = (): Promise<string> => this.compose('exec', '--no-TTY', 'redis', 'redis-cli', 'LLEN', '{rf}:sync-default:active');
    await until('a call in hand', async () => /[1-9]/.test(await active()));
  }

  async inspect(service: string): Promise<Inspected> {
    const id = await this.compose('ps', '--all', '--quiet', service);
    const { stdout } = await promisify(execFile)('docker', ['inspect', id], { env: this.#environment });
    return (JSON.parse(stdout) as readonly [Inspected])[0];
  }
}

const asked = chosen('TEST_CONTAINERS') !== undefined;

describe('the compose file, run by Docker', () => {
  let project: ComposeProject;

  beforeAll(async () => {
    if (!asked) return;
    project = new ComposeProject(await freePort());
    await project.compose('up', '--wait', '--no-build');
  }, START_MS);

  afterAll(async () => {
    if (asked) await project.compose('down', '--volumes', '--timeout', '5');
  }, START_MS);

  beforeEach((context) => context.skip(!asked, 'TEST_CONTAINERS is not set; it needs Docker and the images'));

  it('answers calls and serves its pages', async () => {
    const { results } = await project.client.rerank({ query: QUERY, documents: ['The stock market fell.', ANSWER] });
    expect(results[0]?.index).toBe(1);
    const page = await fetch(project.url);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/html')]);
  });

  it.each(['api', 'worker'])('gives %s no rights, and nothing to write to but its volumes and /tmp', async (service) => {
    const { HostConfig } = await project.inspect(service);
    expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'] });
    const script =
      'id -u; grep -E "^(CapEff|NoNewPrivs)" /proc/1/status; touch /tmp/x /var/lib/rerank/blobs/x && rm /var/lib/rerank/blobs/x; touch /app/x || echo refused';
    const said = await project.compose('exec', '--no-TTY', service, 'sh', '-c', script);
    expect(said.replaceAll('\t', ' ').split('\n')).toEqual(['10001', 'CapEff: 0000000000000000', 'NoNewPrivs: 1', 'refused']);
  });

  it('keeps in the cache what it found out about the machine, and no report of the model runtime', async () => {
    expect(await project.compose('exec', '--no-TTY', 'worker', 'ls', '/var/cache/rerank')).toBe('rerank-fleet');
  });

  it.each(['worker', 'api'])(
    'ends a call in hand when %s is told to stop, in its grace and with status 0',
    async (service) => {
      const call = project.client.rerank(SLOW_CALL);
      await project.untilInHand();
      await project.compose('stop', service);
      expect((await call).results).toHaveLength(SLOW_CALL.documents.length);
      expect((await project.inspect(service)).State).toMatchObject({ Status: 'exited', ExitCode: 0 });
      await project.compose('up', '--wait', '--no-build', service);
    },
    START_MS,
  );

  it(
    'does a call again whose worker was killed, in a new process of the same container',
    async () => {
      const before = (await project.inspect('worker')).RestartCount;
      const call = project.client.rerank(SLOW_CALL);
      await project.untilInHand();
      // Everything in the container but its init, which then ends; Docker's own kill would count as a stop.
      await project.compose('exec', '--no-TTY', 'worker', 'sh', '-c', 'kill -9 -1').catch(() => undefined);
      expect((await call).results).toHaveLength(SLOW_CALL.documents.length);
      expect((await project.inspect('worker')).RestartCount).toBe(before + 1);
    },
    START_MS,
  );
});
