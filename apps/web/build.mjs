/**
 * Builds the pages into `dist`, each file also in the compressed forms that the API serves. Does nothing where nothing has changed. Needs the client and
 * the contracts to be built before (`tsc -b`).
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');
const CACHE = join(ROOT, 'node_modules/.cache/rerank-fleet');
const STAMP = join(CACHE, 'web-build.json');
const DIST = join(HERE, 'dist');
const STAGING = join(CACHE, `web-${process.pid}`);

const INPUTS = ['src/**/*', 'package.json', 'tsconfig.json', 'vite.config.mjs', 'build.mjs'].map((pattern) => join(HERE, pattern));
const LIBRARIES = ['client/dist', 'core/dist/contracts', 'core/dist/domain', 'core/dist/errors'].map((folder) =>
  join(ROOT, 'libs', folder, '**/*.js'),
);
/** A smaller file fits into one packet as it is. */
const LEAST_BYTES = 1_024;

function inputsHash() {
  const hash = createHash('sha256').update(readFileSync(join(ROOT, 'package-lock.json')));
  const files = globSync([...INPUTS, ...LIBRARIES], { withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).filter((path) => !/\.test\.tsx?$/.test(path));
  for (const path of paths.sort()) hash.update(`\n${relative(ROOT, path)}\n`).update(readFileSync(path));
  return hash.digest('hex');
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(STAMP, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Compressed once here instead of at each request. */
function compress() {
  for (const path of globSync(join(STAGING, '**/*.{html,js,css,svg}'))) {
    const bytes = readFileSync(path);
    if (bytes.byteLength < LEAST_BYTES) continue;
    writeFileSync(`${path}.gz`, gzipSync(bytes, { level: 9 }));
    writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.byteLength } }));
  }
}

/** Assets first, then the page that names them, then away with what it does not name: who asks meanwhile gets the old page or the new one, whole. */
function publish() {
  cpSync(join(STAGING, 'assets'), join(DIST, 'assets'), { recursive: true });
  cpSync(STAGING, DIST, { recursive: true });
  for (const path of globSync('**/*', { cwd: DIST })) {
    if (!existsSync(join(STAGING, path))) rmSync(join(DIST, path), { recursive: true, force: true });
  }
}

const inputs = inputsHash();
if (readStamp()?.inputs !== inputs || !existsSync(join(DIST, 'index.html'))) {
  mkdirSync(CACHE, { recursive: true });
  const { build } = await import('vite');
  try {
    await build({ configFile: join(HERE, 'vite.config.mjs'), logLevel: 'warn', build: { outDir: STAGING } });
    compress();
    publish();
  } finally {
    rmSync(STAGING, { recursive: true, force: true });
  }
  writeFileSync(STAMP, JSON.stringify({ inputs }));
}
