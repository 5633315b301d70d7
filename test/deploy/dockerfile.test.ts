import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';
import { childEnvironment } from '../support/environment.ts';
import { read } from './project-facts.ts';

const dockerfile = read('docker/Dockerfile');
const stages = new Map(
  dockerfile
    .split(/^(?=FROM )/m)
    .slice(1)
    .map((text) => [/^FROM \S+ AS (\S+)$/m.exec(text)?.[1] ?? '', text] as const),
);
const TARGETS = ['api', 'models', 'worker-cpu', 'worker-gpu'];

/** A stage with the stages that it is made on. */
function whole(name: string): string {
  const text = stages.get(name) ?? '';
  const parent = /^FROM (\S+)/.exec(text)?.[1] ?? '';
  return stages.has(parent) ? `${whole(parent)}\n${text}` : text;
}

describe('the Dockerfile', () => {
  it.each(TARGETS)('has the target %s, of a user that is a number and not root, under an init', (target) => {
    const text = whole(target);
    expect(text.match(/^USER (.+)$/gm)?.at(-1)).toBe('USER 10001:10001');
    expect(text).toContain('ENTRYPOINT ["/usr/bin/tini", "--"]');
    expect(text).toMatch(/install --yes --no-install-recommends [a-z0-9 ]*\btini\b/);
    expect(text).toMatch(target === 'models' ? /^HEALTHCHECK NONE$/m : /^HEALTHCHECK .*"docker\/health\.mjs"\]$/m);
  });

  it('names the version of every image that it starts from', () => {
    const defaults = [...dockerfile.matchAll(/^ARG \w+_IMAGE=(\S+)$/gm)].map(([, image]) => image);
    expect(defaults).toHaveLength(2);
    for (const image of defaults) expect(image).toMatch(/:\d+\.\d+\.\d+-/);
    const parents = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, parent = '']) => parent);
    expect(parents.filter((parent) => !stages.has(parent) && !/^\$\{\w+_IMAGE\}$/.test(parent))).toEqual([]);
  });

  it('runs the Node that the project is tested with', () => {
    const lock = z.object({ packages: z.record(z.string(), z.looseObject({ version: z.string().optional() })) });
    const { packages } = lock.parse(JSON.parse(read('package-lock.json')));
    expect(dockerfile).toContain(`NODE_IMAGE=node:${packages['node_modules/node']?.version}-bookworm-slim`);
  });

  it('copies only what the repository has', () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+)$/gm)].flatMap(([, words = '']) => words.split(' ').slice(0, -1));
    expect(copied.filter((file) => !existsSync(path.join(REPOSITORY_ROOT, file)))).toEqual([]);
    expect(copied).toContain('package-lock.json');
  });

  it('copies from stages that there are', () => {
    const sources = [...dockerfile.matchAll(/--from=(\S+)/g)].map(([, stage = '']) => stage);
    expect(sources.filter((stage) => !stages.has(stage))).toEqual([]);
  });

  it('knows every workspace', () => {
    const { workspaces } = z.object({ workspaces: z.array(z.string()) }).parse(JSON.parse(read('package.json')));
    expect(workspaces).toEqual(['libs/*', 'apps/*']);
    const lock = z.object({ packages: z.record(z.string(), z.unknown()) }).parse(JSON.parse(read('package-lock.json')));
    const members = Object.keys(lock.packages).filter((name) => /^(?:libs|apps)\/[^/]+$/.test(name));
    expect(members.filter((name) => !dockerfile.includes(`COPY ${name}/package.json ${name}/`))).toEqual([]);
  });

  it('leaves the model runtime out of the API’s image', () => {
    expect(stages.get('api')).toContain('--from=api-packages');
    expect(stages.get('api')).not.toMatch(/--from=(?:worker-|pulled-models)/);
  });

  it('has Python where models are fetched, and in no image that runs', () => {
    expect(whole('models')).toContain('python3-pip');
    for (const target of ['api', 'worker-cpu', 'worker-gpu']) expect(whole(target)).not.toContain('python');
  });

  it('lets a GPU compute, and draw: WebGPU needs the driver’s Vulkan', () => {
    const text = whole('worker-gpu');
    expect(text).toContain('NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics');
    expect(text).toContain('libvulkan1');
    expect(whole('worker-gpu-packages')).toContain('ONNXRUNTIME_NODE_INSTALL=cuda12');
  });
});

describe('docker/health.mjs', () => {
  it.each([
    [200, 0],
    [503, 1],
  ])('reads %i from the port for operations and ends with %i', async (answer, status) => {
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url);
      response.writeHead(answer).end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const port = String((server.address() as AddressInfo).port);
    const run = promisify(execFile)(process.execPath, [path.join(REPOSITORY_ROOT, 'docker/health.mjs')], {
      env: childEnvironment({ OPS_PORT: port }),
    });
    const ended = await run.then(
      () => 0,
      (error: unknown) => (error as { readonly code: number }).code,
    );
    server.close();
    expect([ended, asked]).toEqual([status, ['/health/ready']]);
  });
});
