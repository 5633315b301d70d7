/**
 * Builds the images without a Docker daemon and without a registry: by buildah, as root, from docker/Dockerfile as it is. With Docker, use Docker.
 *
 *   sudo apt-get install --no-install-recommends buildah debootstrap
 *   node scripts/build-images.ts [--target api …] [--stand-in-bases] [--sizes] [-- FLAGS OF `buildah bud`]
 *
 * `--stand-in-bases` makes what the Dockerfile starts from out of Debian's packages, where it is not in buildah's storage: for tries, see `makeStandInBase`.
 * `--sizes` prints what the layers of each image measure. Behind a proxy with an authority of its own, mount what npm and pip read, and the certificate where they say, but not over
 * /etc/ssl/certs, which a package writes to:
 *   -- --volume $PWD/net:/run/net:ro --volume $PWD/net/npmrc:/usr/local/etc/npmrc:ro --volume $PWD/net/pip.conf:/etc/pip.conf:ro
 * Where no container can be nested it still works: steps run in a chroot. BUILDAH_ISOLATION=oci has them isolated.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildah } from './lib/buildah.ts';
import { runChild } from './lib/child.mjs';
import { ImageSizes, type LayerSizes } from './lib/image-sizes.ts';
import { makeStandInBase } from './lib/stand-in-base.ts';

const ROOT = path.join(import.meta.dirname, '..');
const BASE_OF: ReadonlyMap<string, string> = new Map([
  ['api', 'NODE_IMAGE'],
  ['models', 'NODE_IMAGE'],
  ['worker-cpu', 'NODE_IMAGE'],
  ['worker-gpu', 'CUDA_IMAGE'],
]);
const { values: flags, positionals: buildahFlags } = parseArgs({
  allowPositionals: true,
  options: {
    target: { type: 'string', multiple: true, default: ['api', 'models', 'worker-cpu'] },
    'stand-in-bases': { type: 'boolean', default: false },
    sizes: { type: 'boolean', default: false },
  },
});
const dockerfile = readFileSync(path.join(ROOT, 'docker/Dockerfile'), 'utf8');
const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as { readonly version: string };
const tagOf = (target: string): string => `rerank-fleet-${target}:${version}`;

/** In full, as short names need a registry to be set up. */
function imageOf(name: string): string {
  const image = new RegExp(`^ARG ${name}=(\\S+)$`, 'm').exec(dockerfile)?.[1];
  if (image === undefined) throw new Error(`docker/Dockerfile has no ${name}.`);
  return `docker.io/${image.includes('/') ? image : `library/${image}`}`;
}

function baseOf(target: string): string {
  const name = BASE_OF.get(target);
  if (name === undefined) throw new Error(`${target} is no target: ${[...BASE_OF.keys()].join(', ')} are.`);
  return imageOf(name);
}

const isThere = (image: string): Promise<boolean> =>
  buildah(['inspect', '--type', 'image', image]).then(
    () => true,
    () => false,
  );

const bases = [...new Set(BASE_OF.values())].flatMap((name) => ['--build-arg', `${name}=${imageOf(name)}`]);

async function build(target: string): Promise<void> {
  const isolation = process.env.BUILDAH_ISOLATION ?? 'chroot';
  const { code } = (await runChild('buildah', [
    ...['bud', '--layers', '--format', 'docker', '--isolation', isolation, '--network', 'host'],
    ...(flags['stand-in-bases'] ? ['--pull=never'] : []),
    ...['--file', path.join(ROOT, 'docker/Dockerfile'), '--target', target, '--tag', tagOf(target), ...bases, ...buildahFlags, ROOT],
  ])) as { readonly code: number | null };
  if (code !== 0) throw new Error(`${target} was not built: buildah ended with ${code}.`);
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1).padStart(8);
const row = (name: string, { tar, gzip, zstd }: LayerSizes): string =>
  `${name.padEnd(34)}${megabytes(tar)}${megabytes(gzip)}${megabytes(zstd)}`;

async function buildAll(): Promise<void> {
  for (const target of flags.target) {
    for (const base of new Set([imageOf('NODE_IMAGE'), baseOf(target)]))
      if (flags['stand-in-bases'] && !(await isThere(base))) await makeStandInBase(base);
    await build(target);
  }
}

async function printSizes(): Promise<void> {
  const sizes = new ImageSizes();
  console.log(`${'MB of 10^6 bytes'.padEnd(34)}${['as tar', 'gzip', 'zstd'].map((word) => word.padStart(8)).join('')}`);
  for (const target of flags.target) {
    const { added, whole } = await sizes.over(tagOf(target), baseOf(target));
    console.log(row(tagOf(target), whole));
    console.log(row('  of that over its base', added));
  }
}

try {
  await buildAll();
  if (flags.sizes) await printSizes();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
