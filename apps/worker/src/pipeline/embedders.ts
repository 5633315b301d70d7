import type { CorpusVersion } from '@rerank-fleet/core/domain';
import { RerankError, invariant } from '@rerank-fleet/core/errors';
import type { Embedder } from '@rerank-fleet/core/ports';

/** An embedder with the names that clients may give it besides its own. */
export interface NamedEmbedder {
  readonly embedder: Embedder;
  readonly names: readonly string[];
}

/** The embedders of this worker. A corpus that is being reindexed needs the one of each of its versions. */
export class Embedders {
  readonly #entries: readonly NamedEmbedder[];

  /** @param entries the first is the default of new corpora */
  constructor(entries: readonly NamedEmbedder[]) {
    invariant(entries.length > 0, 'A worker without an embedder.');
    this.#entries = entries;
  }

  get default(): Embedder {
    return this.#entries[0]!.embedder;
  }

  get all(): readonly Embedder[] {
    return this.#entries.map(({ embedder }) => embedder);
  }

  holds({ embedder: wanted }: CorpusVersion): boolean {
    return this.#entries.some(({ embedder }) => embedder.sha256 === wanted.sha256);
  }

  /** @throws RerankError `model_unavailable` if the version was built with a file that this worker does not hold */
  of({ embedder: wanted }: CorpusVersion): Embedder {
    const found = this.#entries.find(({ embedder }) => embedder.sha256 === wanted.sha256);
    if (found !== undefined) return found.embedder;
    throw new RerankError(
      'model_unavailable',
      `The corpus is indexed with ${wanted.name}, of which this worker holds another revision or nothing; add it to EMBEDDING_MODEL of a worker.`,
      { retryAfterS: 5 },
    );
  }

  /**
   * By the name that a client gave: its own, a hub id that ends in it, or what the configuration calls it.
   *
   * @throws RerankError `model_not_found`
   */
  named(name: string): Embedder {
    const last = name.slice(name.lastIndexOf('/') + 1);
    const found = this.#entries.find(({ embedder, names }) => [embedder.name, ...names].some((known) => known === name || known === last));
    if (found !== undefined) return found.embedder;
    const held = this.all.map((embedder) => `"${embedder.name}"`).join(', ');
    throw new RerankError('model_not_found', `This worker holds no embedder "${name}", only ${held}; add it to EMBEDDING_MODEL.`);
  }
}
