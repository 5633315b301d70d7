/**
 * Brings a checkout to where it can run: packages, build, redis-server and models. Then runs the command after `--`, if there is one, on
 * the pinned Node. Needs Node 18 or later and nothing else. Quiet and instant when there is nothing to do.
 *
 *   node scripts/setup.mjs
 *   node scripts/setup.mjs -- rerank up
 */
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runChild, signalStatus } from './lib/child.mjs';
import { withSetupLock } from './lib/setup-lock.mjs';
import { isBuilt, isInstalled, lockfileHash, readJson, sourcesHash, workspaces, writeJson } from './lib/stamps.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const BIN = join(ROOT, 'node_modules', '.bin');
const NODE = join(BIN, 'node');
const CLI = join(ROOT, 'apps', 'cli', 'dist', 'main.js');
const STAMP = join(ROOT, 'node_modules', '.rerank-setup.json');
/** Written by `rerank setup`: the files that it made sure of. */
const READY = join(ROOT, 'node_modules', '.rerank-ready.json');
const LOCK = join(ROOT, '.rerank', 'setup.lock');
const OLDEST_NODE = 18;
/** Settings on which redis-server and the models depend. */
const READY_SETTINGS = ['REDIS_URL', 'MODELS_DIR', 'RERANK_MODELS', 'EMBEDDING_MODEL', 'DEVICE', 'XDG_CACHE_HOME', 'HOME'];

/** A step failed; the message says what to do. */
class SetupError extends Error {
  constructor(message, status = 1) {
    super(message);
    this.status = status;
  }
}

const isTty = process.stderr.isTTY === true;
const say = (line) => process.stderr.write(`setup: ${line}\n`);

/** PATH without this checkout's programs: `npm ci` removes them under its own feet. */
const systemPath = () =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .filter((entry) => !entry.endsWith(join('node_modules', '.bin')) && !entry.includes('node-gyp-bin'))
    .join(delimiter);

const runtimeEnv = () => ({ ...process.env, PATH: [BIN, systemPath()].join(delimiter) });

function throwIfInterrupted({ signal, received }) {
  const by = received ?? signal;
  if (by !== null) throw new SetupError('interrupted; run it again to go on', signalStatus(by));
}

/** Runs a step with its output hidden; shows the output if it fails. */
async function runQuietly(title, [command, ...args], { env, onSpawn }) {
  const startedAt = Date.now();
  const seconds = () => `${Math.round((Date.now() - startedAt) / 100) / 10} s`;
  const ticker = isTty ? setInterval(() => process.stderr.write(`\rsetup: ${title} … ${seconds()} `), 500) : undefined;
  if (!isTty) say(`${title} …`);
  const result = await runChild(command, args, { env, cwd: ROOT, capture: true, onSpawn })
    .catch((error) => {
      throw error.code === 'ENOENT' ? new SetupError(`${command} is not on PATH. Install Node.js with npm.`, 127) : error;
    })
    .finally(() => clearInterval(ticker));
  if (isTty) process.stderr.write('\r\x1b[K');
  throwIfInterrupted(result);
  if (result.code !== 0) {
    process.stderr.write(result.output);
    throw new SetupError(`${title} failed (exit ${result.code})`);
  }
  say(`${title}: done in ${seconds()}`);
}

const packagesReady = (stamp) => stamp?.lockfile === lockfileHash(ROOT) && existsSync(NODE);

const QUIET = ['--no-audit', '--no-fund'];

/** npm leaves out, without a word, optional packages that are not for the Node it runs on; the bundler's native part is for ^20.19 or 22.12 and later. */
function isOldForNpm() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major < 20 || major === 21 || (major === 20 && minor < 19) || (major === 22 && minor < 12);
}

/** Has npm run on the Node of the lockfile, which is put into a folder of its own meanwhile. */
async function withPinnedNode(install, { env, onSpawn }) {
  const folder = await mkdtemp(join(tmpdir(), 'rerank-node-'));
  try {
    const { version } = readJson(join(ROOT, 'package-lock.json')).packages['node_modules/node'];
    const wanted = ['--prefix', folder, '--no-save', ...QUIET, `node@${version}`];
    await runQuietly(`fetching Node ${version}`, ['npm', 'install', ...wanted], { env, onSpawn });
    const bin = join(folder, 'node_modules', 'node', 'bin');
    const script = process.env.npm_execpath;
    const [command, ...args] = script?.endsWith('.js') ? [join(bin, 'node'), script] : ['npm'];
    await install(command, args, { ...env, PATH: [bin, env.PATH].join(delimiter) });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function installPackages(onSpawn) {
  if (!(isInstalled(ROOT) && existsSync(NODE))) {
    // onnxruntime-node's install script fetches CUDA libraries; only the GPU image wants them. Others report home.
    const env = { ...process.env, PATH: systemPath(), ONNXRUNTIME_NODE_INSTALL: 'skip', SCARF_ANALYTICS: 'false' };
    const install = (command, args, own) =>
      runQuietly('installing packages (npm ci)', [command, ...args, 'ci', ...QUIET], { env: own, onSpawn });
    if (isOldForNpm()) await withPinnedNode(install, { env, onSpawn });
    else await install('npm', [], env);
    if (!existsSync(NODE)) {
      throw new SetupError(
        'npm ci did not run the install script of the package `node`. Allow it (npm config: ignore-scripts=false) and run set-up again.',
      );
    }
  }
  writeJson(STAMP, { lockfile: lockfileHash(ROOT) });
}

const buildReady = (stamp, sources) => stamp?.sources === sources && workspaces(ROOT).every((workspace) => isBuilt(ROOT, workspace));

async function build(onSpawn) {
  // Taken before the build: what changes during it is built next time.
  const sources = sourcesHash(ROOT);
  await runQuietly('building', ['npm', 'run', '--silent', 'build'], { env: runtimeEnv(), onSpawn });
  writeJson(STAMP, { ...readJson(STAMP), sources });
}

const settingsKey = () =>
  createHash('sha256')
    .update(JSON.stringify(READY_SETTINGS.map((name) => process.env[name] ?? null)))
    .digest('hex');

function partsReady(stamp) {
  const ready = readJson(READY);
  if (stamp?.settings !== settingsKey() || !Array.isArray(ready?.files)) return false;
  return ready.files.every(({ path, size }) => statSync(path, { throwIfNoEntry: false })?.size === size);
}

async function prepareParts(onSpawn) {
  const result = await runChild(NODE, [CLI, 'setup', '--ready-file', READY], { env: runtimeEnv(), cwd: ROOT, onSpawn });
  throwIfInterrupted(result);
  const { code } = result;
  if (code !== 0) throw new SetupError('redis-server or the models are not ready; see above', code);
  writeJson(STAMP, { ...readJson(STAMP), settings: settingsKey() });
}

function isReady() {
  const stamp = readJson(STAMP);
  return packagesReady(stamp) && buildReady(stamp, sourcesHash(ROOT)) && partsReady(stamp);
}

async function setUp() {
  if (isReady()) return;
  await withSetupLock(
    LOCK,
    async (onSpawn) => {
      if (!packagesReady(readJson(STAMP))) await installPackages(onSpawn);
      if (!buildReady(readJson(STAMP), sourcesHash(ROOT))) await build(onSpawn);
      if (!partsReady(readJson(STAMP))) await prepareParts(onSpawn);
    },
    (pid) => say(`another set-up (process ${pid}) is at work; waiting for it`),
  );
}

/** Runs the command in our place: its exit status is ours, and so is its death by a signal. */
async function runCommand(command, args) {
  const { code, signal } = await runChild(command, args, { env: runtimeEnv() }).catch((error) => {
    throw error.code === 'ENOENT' ? new SetupError(`${command}: no such command`, 127) : error;
  });
  if (signal !== null) process.kill(process.pid, signal);
  process.exitCode = code ?? signalStatus(signal);
}

async function main() {
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
    throw new SetupError(`Node ${process.versions.node} is too old: ${OLDEST_NODE} or later is needed to set up.`);
  }
  const separator = process.argv.indexOf('--');
  await setUp();
  const [command, ...args] = separator === -1 ? [] : process.argv.slice(separator + 1);
  if (command !== undefined) await runCommand(command, args);
}

main().catch((error) => {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = error.status;
});
