import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { buildah } from './buildah.ts';
import { runChild } from './child.mjs';

/** What Debian's slim images leave out, of packages that are installed on them too. */
const DPKG_EXCLUDES =
  ['doc', 'man', 'groff', 'info', 'lintian', 'locale'].map((folder) => `path-exclude /usr/share/${folder}/*\n`).join('') +
  'path-include /usr/share/doc/*/copyright\n';
/** As in Debian's images, apt leaves neither packages nor its binary caches in a layer. */
const APT_CLEAN = `DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
`;
/** The line that Node 24 brings. */
const NPM = 'npm@11';
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

async function leaveOut(root: string): Promise<void> {
  await writeFile(join(root, 'etc/dpkg/dpkg.cfg.d/slim'), DPKG_EXCLUDES);
  await writeFile(join(root, 'etc/apt/apt.conf.d/clean'), APT_CLEAN);
  for (const folder of [
    'usr/share/man',
    'usr/share/groff',
    'usr/share/info',
    'usr/share/lintian',
    'usr/share/locale',
    'var/cache/apt',
    'var/lib/apt/lists',
    'var/log',
  ]) {
    for (const name of await readdir(join(root, folder)).catch(() => [])) await rm(join(root, folder, name), { recursive: true });
  }
  for (const file of await readdir(join(root, 'usr/share/doc'), { recursive: true, withFileTypes: true })) {
    if (!file.isDirectory() && file.name !== 'copyright') await rm(join(file.parentPath, file.name));
  }
}

/** The Node that runs this script, where the official image has its own, with npm from the registry. */
async function addNode(root: string): Promise<void> {
  const local = join(root, 'usr/local');
  await cp(process.execPath, join(local, 'bin/node'));
  const folder = await mkdtemp(join(tmpdir(), 'rerank-npm-'));
  try {
    await promisify(execFile)('npm', ['install', '--prefix', folder, '--ignore-scripts', NPM]);
    await mkdir(join(local, 'lib/node_modules'), { recursive: true });
    await cp(join(folder, 'node_modules/npm'), join(local, 'lib/node_modules/npm'), { recursive: true, verbatimSymlinks: true });
  } finally {
    await rm(folder, { recursive: true });
  }
  for (const name of ['npm', 'npx']) await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(local, 'bin', name));
}

/**
 * Puts an image into buildah's storage under the name of an official one that cannot be pulled: Debian bookworm from its mirror, by debootstrap. For tries and for the sizes
 * of what comes on top, never for use: it has no security updates.
 * @throws if the name asks for another Node than the one that runs this.
 */
export async function makeStandInBase(image: string): Promise<void> {
  const asked = /\/node:(\d+\.\d+\.\d+)-/.exec(image)?.[1];
  if (asked !== undefined && asked !== process.versions.node)
    throw new Error(`${image} has another Node than ${process.versions.node}, which runs this.`);
  const container = await buildah(['from', 'scratch']);
  try {
    const root = await buildah(['mount', container]);
    const { code } = (await runChild('debootstrap', ['--variant=minbase', 'bookworm', root])) as { readonly code: number | null };
    if (code !== 0) throw new Error(`debootstrap ended with ${code}.`);
    await leaveOut(root);
    if (asked !== undefined) await addNode(root);
    await buildah(['umount', container]);
    await buildah(['config', '--env', `PATH=${PATH}`, '--cmd', asked === undefined ? 'bash' : 'node', container]);
    await buildah(['commit', '--quiet', '--format', 'docker', container, image]);
  } finally {
    await buildah(['rm', container]);
  }
}
