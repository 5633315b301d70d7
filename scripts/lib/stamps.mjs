import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const hash = (text) => createHash('sha256').update(text).digest('hex');

export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

export function writeJson(path, value) {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(value, undefined, 2)}\n`);
  renameSync(temporary, path);
}

export const lockfileHash = (root) => hash(readFileSync(join(root, 'package-lock.json')));

/** The folders of all workspaces: two levels, as in package.json. */
export function workspaces(root) {
  return ['libs', 'apps'].flatMap((group) =>
    existsSync(join(root, group))
      ? readdirSync(join(root, group), { withFileTypes: true })
          .filter((entry) => entry.isDirectory() && existsSync(join(root, group, entry.name, 'package.json')))
          .map((entry) => join(group, entry.name))
      : [],
  );
}

function* sourceFiles(directory) {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* sourceFiles(path);
    else if (!/\.test\.tsx?$/.test(entry.name)) yield path;
  }
}

/** Files beside `src` on which the build of a workspace depends. */
const BUILD_FILES = ['package.json', 'tsconfig.json', 'build.mjs', 'vite.config.mjs'];

/** A package has what `tsc -b` writes last, the web pages what their own build does. */
export const isBuilt = (root, workspace) => ['.tsbuildinfo', 'index.html'].some((name) => existsSync(join(root, workspace, 'dist', name)));

/** Changes when a source file does: names, sizes and times, not contents, as it is taken at every start. */
export function sourcesHash(root) {
  const files = workspaces(root).flatMap((workspace) => {
    const src = join(root, workspace, 'src');
    return [...(existsSync(src) ? sourceFiles(src) : []), ...BUILD_FILES.map((name) => join(root, workspace, name))];
  });
  const roots = ['package.json', 'tsconfig.json', 'tsconfig.base.json'].map((name) => join(root, name));
  const lines = [...files, ...roots].filter(existsSync).map((path) => {
    const { size, mtimeMs } = statSync(path);
    return `${path} ${size} ${mtimeMs}`;
  });
  return hash(lines.sort().join('\n'));
}

/** What `npm ci` left says that it ended, and that it ended with this lockfile. */
export function isInstalled(root) {
  const wanted = readJson(join(root, 'package-lock.json'))?.packages;
  const found = readJson(join(root, 'node_modules', '.package-lock.json'))?.packages;
  if (wanted === undefined || found === undefined) return false;
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.includes('node_modules/') || entry.link === true || entry.optional === true || entry.peer === true) return true;
    return found[path]?.version === entry.version;
  });
}
