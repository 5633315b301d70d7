import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { withFileLock } from '@rerank-fleet/core/models';
import { childEnvironment } from '../../test/support/environment.ts';

const run = promisify(execFile);

const TRANSFORMERS_JS = '@huggingface/transformers@4.3.1';

export const pythonScript = (name: string): string => fileURLToPath(new URL(`./python/${name}`, import.meta.url));

/** A virtual environment of what a requirements file pins, made at the first call and found by later ones. */
export async function pythonEnvironment(root: string, requirements: string): Promise<string> {
  const file = pythonScript(requirements);
  const folder = join(root, `${requirements.replace('.txt', '')}-${await digest(file)}`);
  await once(folder, async () => {
    await tell('python3', ['-m', 'venv', folder]);
    await tell(join(folder, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', file]);
  });
  return join(folder, 'bin', 'python');
}

/** A folder with `@huggingface/transformers`. Install scripts are off: onnxruntime-node's would fetch CUDA binaries. */
export async function transformersJsFolder(root: string): Promise<string> {
  const folder = join(root, TRANSFORMERS_JS.replace(/[^a-z0-9.]+/g, '-').replace(/^-/, ''));
  await once(folder, async () => {
    await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
    await tell('npm', ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--silent', TRANSFORMERS_JS]);
  });
  return folder;
}

export interface ModelFolders {
  /** Hugging Face layout, ONNX under `onnx/`, torch weights beside it. */
  readonly huggingFace: string;
  /** FlashRank knows the file by its own name. */
  readonly flashrank: string;
  /** Infinity writes its optimized graph into the folder. */
  readonly infinity: string;
}

/** The same ONNX file, laid out as each library looks for it. */
export async function modelFolders(root: string, python: string, model: { onnxPath: string; sha256: string }): Promise<ModelFolders> {
  const folder = join(root, `model-${model.sha256.slice(0, 12)}-${await digest(pythonScript('prepare_model.py'))}`);
  const folders = {
    huggingFace: join(folder, 'reranker'),
    flashrank: join(folder, 'flashrank', 'ms-marco-MiniLM-L-12-v2'),
    infinity: join(folder, 'infinity'),
  };
  await once(folder, async () => {
    for (const each of Object.values(folders)) await mkdir(join(each, 'onnx'), { recursive: true });
    await tell(python, [pythonScript('prepare_model.py'), join(model.onnxPath, '..'), folders.huggingFace]);
    for (const each of [folders.flashrank, folders.infinity])
      for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'])
        await copyFile(join(folders.huggingFace, name), join(each, name));
    await symlink(model.onnxPath, join(folders.huggingFace, 'onnx', 'model.onnx'));
    await symlink(model.onnxPath, join(folders.huggingFace, 'onnx', 'model_quantized.onnx'));
    await symlink(model.onnxPath, join(folders.flashrank, 'flashrank-MiniLM-L-12-v2_Q.onnx'));
    await symlink(model.onnxPath, join(folders.infinity, 'onnx', 'model_quantized.onnx'));
  });
  return folders;
}

async function digest(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
    .slice(0, 12);
}

/** Makes a folder whole or, at the next try, anew: a virtual environment cannot be made elsewhere and moved. */
async function once(folder: string, make: () => Promise<void>): Promise<void> {
  const complete = join(folder, '.complete');
  await withFileLock(`${folder}.lock`, async () => {
    if (existsSync(complete)) return;
    console.log(`making ${folder}`);
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await make();
    await writeFile(complete, '');
  });
}

async function tell(command: string, args: readonly string[]): Promise<void> {
  await run(command, args, { env: childEnvironment(), maxBuffer: 2 ** 24 }).catch((error: unknown) => {
    const said = (error as { stderr?: string }).stderr?.trim().split('\n').slice(-3).join(' ');
    throw new Error(said === undefined || said === '' ? String(error) : said, { cause: error });
  });
}
