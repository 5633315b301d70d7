import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { z } from 'zod';

const OURS = fileURLToPath(new URL('../../docker/observability/', import.meta.url));
const READY_WITHIN_MS = 30_000;
const READY_POLL_MS = 100;
const configSchema = z.looseObject({
  global: z.looseObject({ scrape_interval: z.string() }),
  scrape_configs: z.array(z.looseObject({ job_name: z.string() })),
});

/** Addresses, `host:port`, by the name of the job that scrapes them. */
export type ScrapeTargets = Readonly<Record<string, readonly string[]>>;

export interface PrometheusOptions {
  readonly targets: ScrapeTargets;
  /** As Prometheus writes durations. @defaultValue that of the compose file's Prometheus */
  readonly scrapeInterval?: string;
  /** @defaultValue `prometheus`, looked up on PATH */
  readonly command?: string;
}

/** Whether this machine has a Prometheus, or its `promtool`. */
export const hasProgram = (name: string): boolean => spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined;

/**
 * A real Prometheus on a free loopback port, with the configuration and the alerts of the compose file: only the addresses that it scrapes are others, since there are
 * no names to look up.
 */
export class PrometheusServer {
  readonly url: string;
  readonly #directory: string;
  readonly #process: ChildProcess;

  private constructor(url: string, directory: string, child: ChildProcess) {
    this.url = url;
    this.#directory = directory;
    this.#process = child;
  }

  /** @throws Error with what it says if it does not become ready */
  static async start({ targets, scrapeInterval, command = 'prometheus' }: PrometheusOptions): Promise<PrometheusServer> {
    const [port, directory] = [await freePort(), await mkdtemp(join(tmpdir(), 'rerank-prometheus-'))];
    const config = configOf(await readFile(join(OURS, 'prometheus.yml'), 'utf8'), targets, scrapeInterval);
    await Promise.all([
      writeFile(join(directory, 'prometheus.yml'), config),
      copyFile(join(OURS, 'alerts.yml'), join(directory, 'alerts.yml')),
    ]);
    const child = spawn(
      command,
      [
        `--config.file=${join(directory, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        '--enable-feature=exemplar-storage',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const kill = (): boolean => child.kill('SIGKILL');
    process.once('exit', kill);
    child.once('exit', () => process.off('exit', kill));
    const server = new PrometheusServer(`http://127.0.0.1:${port}`, directory, child);
    try {
      await server.#ready();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      await exited;
    }
    await rm(this.#directory, { recursive: true, force: true });
  }

  async #ready(): Promise<void> {
    let said = '';
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
    const failed = new Promise<never>((_, reject) => {
      this.#process.once('error', reject);
      this.#process.once('exit', (code) => reject(new Error(`Prometheus ended with ${String(code)}:\n${said}`)));
    });
    failed.catch(() => undefined);
    await Promise.race([failed, untilReady(this.url, () => said)]);
  }
}

async function untilReady(url: string, said: () => string): Promise<void> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline) {
    const answer = await fetch(`${url}/-/ready`).catch(() => undefined);
    if (answer?.ok === true) return;
    await sleep(READY_POLL_MS);
  }
  throw new Error(`Prometheus is not ready after ${READY_WITHIN_MS} ms:\n${said()}`);
}

function configOf(text: string, targets: ScrapeTargets, scrapeInterval: string | undefined): string {
  const config = configSchema.parse(parse(text));
  const unknown = Object.keys(targets).filter((job) => !config.scrape_configs.some(({ job_name: name }) => name === job));
  if (unknown.length > 0) throw new Error(`The compose file's Prometheus has no job ${unknown.join(', ')}.`);
  return stringify({
    ...config,
    global: { ...config.global, ...(scrapeInterval === undefined ? {} : { scrape_interval: scrapeInterval }) },
    scrape_configs: config.scrape_configs.map(({ dns_sd_configs: _names, ...job }) => ({
      ...job,
      static_configs: [{ targets: targets[job.job_name] ?? [] }],
    })),
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}
