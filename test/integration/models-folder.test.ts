import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RerankError } from '@rerank-fleet/core/errors';
import { resolveModel, type ResolveOptions } from '@rerank-fleet/core/models';

const QUANTIZED = Buffer.concat([Buffer.alloc(1_048_570, 1), Buffer.from('DynamicQuantizeLinear'), Buffer.alloc(100, 1)]);
const PLAIN = Buffer.alloc(2_000, 1);
const CROSS_ENCODER = {
  architectures: ['BertForSequenceClassification'],
  model_type: 'bert',
  max_position_embeddings: 256,
  id2label: { 0: 'LABEL_0' },
};

let home: string;
let options: ResolveOptions;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'rerank-folder-'));
  options = { cacheDirectory: join(home, 'cache'), pull: false };
});

afterEach(() => rm(home, { recursive: true, force: true }));

/** Writes a model's folder: strings and buffers as they are, the rest as JSON. */
async function folder(name: string, files: Record<string, unknown>): Promise<string> {
  const directory = join(home, name);
  for (const [path, content] of Object.entries({ 'tokenizer.json': '{}', ...files })) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content));
  }
  return directory;
}

async function failure(promise: Promise<unknown>): Promise<RerankError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(RerankError);
  return error as RerankError;
}

describe('a folder by path', () => {
  it('is a cross-encoder by its architecture, with the smallest stated window', async () => {
    const path = await folder('mine', {
      'model.onnx': PLAIN,
      'config.json': CROSS_ENCODER,
      'tokenizer_config.json': { model_max_length: 128 },
    });
    expect(await resolveModel(path, options)).toMatchObject({
      name: 'mine',
      kind: 'cross-encoder',
      maxLength: 128,
      precision: 'fp32',
      licence: 'unknown',
    });
  });

  it('loses two positions in RoBERTa’s family, and ignores a tokenizer without a limit', async () => {
    const config = { ...CROSS_ENCODER, model_type: 'xlm-roberta', max_position_embeddings: 514 };
    const path = await folder('roberta', {
      'onnx/model.onnx': PLAIN,
      'config.json': config,
      'tokenizer_config.json': { model_max_length: 1e30 },
    });
    expect((await resolveModel(path, options)).maxLength).toBe(512);
  });

  it('is an embedder with the pooling, normalisation and prompts of its sentence-transformers files', async () => {
    const path = await folder('embedder', {
      'model.onnx': PLAIN,
      'config.json': { architectures: ['BertModel'], max_position_embeddings: 512 },
      'sentence_bert_config.json': { max_seq_length: 256 },
      'modules.json': [{ type: 'sentence_transformers.models.Transformer' }, { type: 'sentence_transformers.models.Pooling' }],
      '1_Pooling/config.json': { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false },
      'config_sentence_transformers.json': { prompts: { query: 'query: ', document: 'passage: ' } },
    });
    const expected = {
      kind: 'embedder',
      maxLength: 256,
      pooling: 'cls',
      normalize: false,
      queryPrefix: 'query: ',
      passagePrefix: 'passage: ',
    };
    expect(await resolveModel(path, options)).toMatchObject(expected);
  });

  it('has a label to order by where it has several', async () => {
    const labels = (id2label: Record<string, string>) => ({ 'model.onnx': PLAIN, 'config.json': { ...CROSS_ENCODER, id2label } });
    expect((await resolveModel(await folder('two', labels({ 0: 'LABEL_0', 1: 'LABEL_1' })), options)).labelIndex).toBe(1);
    expect((await resolveModel(await folder('named', labels({ 0: 'relevant', 1: 'other', 2: 'none' })), options)).labelIndex).toBe(0);
    expect((await failure(resolveModel(await folder('unclear', labels({ 0: 'a', 1: 'b' })), options))).detail).toContain('id2label');
  });

  it('gives int8 to a CPU and fp16 to a GPU, by name or by what the graph is made of', async () => {
    const path = await folder('several', {
      'onnx/model.onnx': PLAIN,
      'onnx/model_fp16.onnx': PLAIN,
      'onnx/model_quantized.onnx': QUANTIZED,
      'config.json': CROSS_ENCODER,
    });
    expect((await resolveModel(path, options)).onnxPath).toBe(join(path, 'onnx/model_quantized.onnx'));
    expect((await resolveModel(path, { ...options, device: 'cuda' })).onnxPath).toBe(join(path, 'onnx/model_fp16.onnx'));
    expect((await resolveModel(`${path}@fp32`, options)).onnxPath).toBe(join(path, 'onnx/model.onnx'));
    const unnamed = await folder('unnamed', { 'model.onnx': QUANTIZED, 'config.json': CROSS_ENCODER });
    expect((await resolveModel(unnamed, options)).precision).toBe('int8');
  });

  it('gives the int8 file of its kind of CPU, of those that a repository has for several', async () => {
    const names = ['qint8_arm64', 'qint8_avx512', 'qint8_avx512_vnni', 'quint8_avx2', 'quantized', 'int8'];
    const files = (of: readonly string[]) => Object.fromEntries(of.map((name) => [`onnx/model_${name}.onnx`, Buffer.from(name)]));
    const chosen = async (folderName: string, of: readonly string[]): Promise<string> => {
      const path = await folder(folderName, { 'config.json': CROSS_ENCODER, ...files(of) });
      return basename((await resolveModel(path, options)).onnxPath);
    };
    const own = process.arch === 'arm64' ? 'qint8_arm64' : 'quint8_avx2';
    expect(await chosen('all', names)).toBe(`model_${own}.onnx`);
    const foreign = process.arch === 'arm64' ? 'quint8_avx2' : 'qint8_arm64';
    expect(await chosen('general', [foreign, 'qint8_avx512_vnni', 'quantized'])).toBe('model_quantized.onnx');
    expect(await chosen('foreign', [foreign])).toBe(`model_${foreign}.onnx`);
  });

  it('is another revision where only the weights beside its graph differ, and that of its file where there are none', async () => {
    const revision = async (name: string, files: Record<string, unknown>): Promise<string> =>
      (await resolveModel(await folder(name, { 'onnx/model.onnx': PLAIN, 'config.json': CROSS_ENCODER, ...files }), options)).sha256;
    const alone = await revision('alone', { 'onnx/model_fp16.onnx_data': 'of another' });
    const [one, other] = [await revision('one', { 'onnx/model.onnx_data': 'a' }), await revision('other', { 'onnx/model.onnx_data': 'b' })];
    const dotted = await revision('dotted', { 'onnx/model.onnx.data': 'b', 'onnx/model.onnx.data_1': 'c' });
    expect(alone).toBe(createHash('sha256').update(PLAIN).digest('hex'));
    expect(new Set([alone, one, other, dotted]).size).toBe(4);
  });

  it.each([
    ['no graph', { 'config.json': CROSS_ENCODER }, 'model.onnx'],
    ['no config.json', { 'model.onnx': PLAIN }, 'config.json'],
    ['an empty graph', { 'model.onnx': '', 'config.json': CROSS_ENCODER }, 'half-downloaded'],
    ['no tokenizer', { 'model.onnx': PLAIN, 'config.json': CROSS_ENCODER, 'tokenizer.json': '' }, 'tokenizer.json'],
    ['a config.json that is no JSON', { 'model.onnx': PLAIN, 'config.json': '{' }, 'not valid JSON'],
    [
      'a pooling that is not known',
      { 'model.onnx': PLAIN, 'config.json': { architectures: ['BertModel'] }, '1_Pooling/config.json': { pooling_mode_lasttoken: true } },
      'lasttoken',
    ],
  ])('with %s is refused', async (_, files, detail) => {
    const error = await failure(resolveModel(await folder('bad', files), options));
    expect(error.code).toBe('model_unavailable');
    expect(error.detail).toContain(detail);
  });

  it('that is not there is not found', async () => {
    expect((await failure(resolveModel(join(home, 'nowhere'), options))).code).toBe('model_not_found');
  });
});

describe('MODELS_DIR', () => {
  it('comes before the cache, with the manifest’s traits for a known name', async () => {
    await folder('models/e5-small-v2', { 'onnx/model_quantized.onnx': QUANTIZED });
    const model = await resolveModel('intfloat/e5-small-v2', { ...options, modelsDirectory: join(home, 'models') });
    expect(model).toMatchObject({
      name: 'e5-small-v2',
      queryPrefix: 'query: ',
      pooling: 'mean',
      licence: 'MIT',
      directory: join(home, 'models/e5-small-v2'),
    });
  });

  it('holds models that the manifest does not know', async () => {
    await folder('models/own', { 'model.onnx': PLAIN, 'config.json': CROSS_ENCODER });
    expect((await resolveModel('own', { ...options, modelsDirectory: join(home, 'models') })).name).toBe('own');
  });

  it.each([
    ['cpu', ['int8', 'fp32', 'fp16']],
    ['cuda', ['fp16', 'fp32', 'int8']],
    ['webgpu', ['fp16', 'fp32', 'int8']],
  ] as const)('gives %s what suits it best of what there is: %j', async (device, order) => {
    const modelsDirectory = join(home, 'models');
    const resolve = async (): Promise<string> => (await resolveModel('own', { ...options, modelsDirectory, device })).precision;
    const names = { int8: 'model_quantized.onnx', fp16: 'model_fp16.onnx', fp32: 'model.onnx' };
    for (const precision of order.toReversed()) {
      await folder(`models/own@${precision}`, { [names[precision]]: PLAIN, 'config.json': CROSS_ENCODER });
      expect(await resolve()).toBe(precision);
    }
  });

  it.each([undefined, 'cuda'] as const)('refuses a precision that it does not have, and says which it has (device %s)', async (device) => {
    await folder('models/own@int8', { 'model.onnx': QUANTIZED, 'config.json': CROSS_ENCODER });
    const asked = { ...options, modelsDirectory: join(home, 'models'), ...(device === undefined ? {} : { device }) };
    expect((await resolveModel('own', asked)).precision).toBe('int8');
    const error = await failure(resolveModel('own@fp16', asked));
    expect(error.code).toBe('model_unavailable');
    expect(error.detail).toContain('has own in int8, not in fp16');
    const byPath = await failure(resolveModel(`${join(home, 'models/own@int8')}@fp16`, asked));
    expect(byPath.detail).toContain('no ONNX model of fp16');
  });

  it('does not lead out of itself', async () => {
    await folder('secret', { 'model.onnx': PLAIN, 'config.json': CROSS_ENCODER });
    const { code } = await failure(resolveModel('sub/../../secret', { ...options, modelsDirectory: join(home, 'models') }));
    expect(code).toBe('model_not_found');
  });

  it('refuses a half-copied default model', async () => {
    await folder('models/ms-marco-MiniLM-L-12-v2', { 'model.onnx': QUANTIZED });
    const error = await failure(resolveModel('ms-marco-MiniLM-L-12-v2', { ...options, modelsDirectory: join(home, 'models') }));
    expect(error.code).toBe('model_unavailable');
    expect(error.detail).toContain('half-downloaded');
  });
});

describe('a name', () => {
  it('that nobody knows is not found', async () => {
    expect((await failure(resolveModel('no-such-model', options))).code).toBe('model_not_found');
  });

  it('with a precision that the model does not come in is refused, naming the others', async () => {
    const error = await failure(resolveModel('gte-small@fp16', { ...options, device: 'cuda' }));
    expect(error.code).toBe('model_unavailable');
    expect(error.detail).toContain('gte-small has no fp16 file; it has int8, fp32');
  });

  it.each([
    ['cpu', 'int8'],
    ['cuda', 'fp16'],
    ['webgpu', 'fp16'],
  ] as const)('without a precision means, on %s, the %s file', async (device, precision) => {
    const error = await failure(resolveModel('ms-marco-MiniLM-L-6-v2', { ...options, device }));
    expect(error.detail).toContain(`rerank models pull ms-marco-MiniLM-L-6-v2@${precision}`);
  });

  it('whose model is not here says how to pull it', async () => {
    const error = await failure(resolveModel('gte-small', options));
    expect(error.code).toBe('model_unavailable');
    expect(error.detail).toContain('rerank models pull gte-small@int8');
  });
});
