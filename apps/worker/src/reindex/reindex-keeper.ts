import { ClaimLostError, changeReindex, isUnattended, openReindex, versionNumbered } from '@rerank-fleet/core/corpora';
import type { CorpusRecord, CorpusRef, ReindexRecord } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import { endDeletion } from '../ingest/delete-corpus.js';
import { changeRecord } from './change-record.js';
import { collectVersions } from './collect-versions.js';
import { nameOf, type ReindexParts } from './reindex-parts.js';
import { ReindexSession } from './reindex-session.js';
import { runReindex } from './run-reindex.js';

export interface ReindexKeeperParts extends ReindexParts {
  /** sha256 of the models that live workers hold. */
  readonly heldModels: () => Promise<ReadonlySet<string>>;
  /** Says to the other workers that there is something to look at. */
  readonly tell: () => Promise<void>;
}

/**
 * A worker's share in reindexes: it takes those that nobody works on, and drops versions that nobody needs, and corpora whose deletion was cut short. What there is to do is in the records of the
 * document store; being told of it only makes it prompt.
 */
export class ReindexKeeper {
  readonly #parts: ReindexKeeperParts;
  readonly #running = new Map<string, { readonly session: ReindexSession; readonly done: Promise<void> }>();
  readonly #tending = new Map<string, Promise<void>>();
  readonly #untended = new Set<string>();
  /** By corpus and version: since when no worker has held its embedder. */
  readonly #unheldSince = new Map<string, number>();
  #looking: Promise<void> | undefined;
  #stopped = false;

  constructor(parts: ReindexKeeperParts) {
    this.#parts = parts;
  }

  /** A corpus' reindex was begun or changed by this worker. */
  readonly poke = (ref: CorpusRef): void => {
    void this.#parts.tell().catch(() => undefined);
    void this.tend(ref).catch((error: unknown) =>
      this.#parts.log.warn({ err: error }, 'A corpus could not be looked after; it is tried again.'),
    );
  };

  /** Looks after every corpus that needs it. */
  look(): Promise<void> {
    this.#looking ??= this.#lookAtAll().finally(() => (this.#looking = undefined));
    return this.#looking;
  }

  /** Takes the reindex of a corpus if nobody works on it, and drops versions that are due. Once at a time; asked meanwhile, once more after that. */
  async tend(ref: CorpusRef): Promise<void> {
    const name = nameOf(ref);
    const under = this.#tending.get(name);
    if (under !== undefined) {
      this.#untended.add(name);
      await under;
      return;
    }
    const tended = this.#tendTwice(ref).finally(() => this.#tending.delete(name));
    this.#tending.set(name, tended);
    await tended;
  }

  /** Resolves when no reindex is in hand any more. */
  async idle(): Promise<void> {
    while (this.#running.size > 0 || this.#tending.size > 0)
      await Promise.allSettled([...[...this.#running.values()].map(({ done }) => done), ...this.#tending.values()]);
  }

  /** Lets go of every reindex; other workers take them at once. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { session } of this.#running.values()) session.stop();
    await Promise.allSettled([this.#looking, ...this.#tending.values()]);
    for (const { session } of this.#running.values()) session.stop();
    const left = [...this.#running.values()].map(({ done }) => done);
    await Promise.all(left);
    if (left.length > 0) await this.#parts.tell().catch(() => undefined);
  }

  async #lookAtAll(): Promise<void> {
    for (const ref of await this.#parts.documents.listUnsettled()) {
      if (this.#stopped) return;
      await this.tend(ref).catch((error: unknown) =>
        this.#parts.log.warn({ err: error, corpus: ref.corpus }, 'A corpus could not be looked after; it is tried again.'),
      );
    }
  }

  async #tendTwice(ref: CorpusRef): Promise<void> {
    do {
      this.#untended.delete(nameOf(ref));
      await this.#tend(ref);
    } while (this.#untended.has(nameOf(ref)));
  }

  async #tend(ref: CorpusRef): Promise<void> {
    const running = this.#running.get(nameOf(ref));
    await running?.session.look();
    const record = await this.#parts.documents.findCorpus(ref);
    if (record === undefined || this.#stopped) return;
    if (record.deleting === true) {
      await endDeletion(this.#parts, record);
      return;
    }
    const open = openReindex(record);
    if (running === undefined && open !== undefined && isUnattended(open, this.#parts.now())) await this.#take(record, open);
    await this.#collect(record);
  }

  async #take(record: CorpusRecord, reindex: ReindexRecord): Promise<void> {
    const { embedders, log } = this.#parts;
    const version = versionNumbered(record, reindex.toVersion);
    if (!embedders.holds(version)) {
      await this.#sayUnattended(record, reindex);
      return;
    }
    const session = await ReindexSession.open(this.#parts, record);
    if (session === undefined) return;
    const about = { reindex: session.id, tenant: record.tenant, corpus: record.corpus };
    log.info(
      { ...about, from: session.from.version, to: session.to.version, checkpoint: session.reindex.checkpoint },
      'A reindex is worked on.',
    );
    const done = this.#run(session, about).finally(() => {
      this.#running.delete(nameOf(record));
      this.#parts.meter.inHand(this.#running.size);
      // It may have left versions to drop. What failed waits for the next look.
      if (session.signal.aborted && !this.#stopped) void this.tend(record).catch(() => undefined);
    });
    this.#running.set(nameOf(record), { session, done });
    this.#parts.meter.inHand(this.#running.size);
    if (this.#stopped) session.stop();
  }

  async #run(session: ReindexSession, about: object): Promise<void> {
    const { log } = this.#parts;
    try {
      const { status, validation } = await runReindex(this.#parts, session);
      log.info({ ...about, status, validation }, `A reindex came to its end: ${status}.`);
    } catch (error) {
      const why: unknown = session.signal.aborted ? session.signal.reason : error;
      if (session.signal.aborted) log.info({ ...about, detail: (why as Error).message }, 'The work on a reindex stopped.');
      else log.error({ ...about, err: why }, 'The work on a reindex failed; it is taken up again.');
    }
    await session.close();
    await this.#dropIfGone(session);
  }

  /** The index of a corpus that was deleted while it was built is in no record any more. */
  async #dropIfGone({ ref, to, signal }: ReindexSession): Promise<void> {
    if (!(signal.reason instanceof ClaimLostError)) return;
    try {
      const record = await this.#parts.documents.findCorpus(ref);
      const isKept = record?.corpusId === to.corpusId && record.versions.some(({ version }) => version === to.version);
      if (!isKept) await this.#parts.candidates.dropVersion(to);
    } catch (error) {
      this.#parts.log.warn({ err: error, corpus: ref.corpus, version: to.version }, 'An index may have stayed behind.');
    }
  }

  async #collect(record: CorpusRecord): Promise<void> {
    const unheld = await this.#unheld(record);
    if (unheld.size > 0)
      this.#parts.log.warn(
        { tenant: record.tenant, corpus: record.corpus, versions: [...unheld] },
        'No worker holds the embedder of a version that was kept for a rollback, so it cannot follow what is written; it is dropped.',
      );
    await collectVersions(this.#parts, record, unheld).catch((error: unknown) => {
      if (!(error instanceof RerankError) || error.code !== 'corpus_not_found') throw error;
    });
  }

  /** Retired versions that would hold up every write: nobody can embed for them. */
  async #unheld(record: CorpusRecord): Promise<ReadonlySet<number>> {
    const retired = record.versions.filter(({ retiredAt }) => retiredAt !== undefined);
    if (retired.length === 0) return new Set();
    const held = await this.#parts.heldModels();
    const due = retired.filter((version) => {
      const key = `${record.corpusId} ${version.version}`;
      const since = held.has(version.embedder.sha256) ? undefined : (this.#unheldSince.get(key) ?? this.#parts.now());
      if (since === undefined) {
        this.#unheldSince.delete(key);
        return false;
      }
      this.#unheldSince.set(key, since);
      return this.#parts.now() - since >= this.#parts.limits.unheldMs;
    });
    return new Set(due.map(({ version }) => version));
  }

  /** Whoever asks for its status sees why nothing happens. */
  async #sayUnattended(record: CorpusRecord, reindex: ReindexRecord): Promise<void> {
    const { documents, limits, now, log } = this.#parts;
    const since = Math.max(reindex.startedAt, reindex.lease?.until ?? 0);
    if (reindex.waiting !== undefined || now() - since < limits.unattendedMs) return;
    const { name } = versionNumbered(record, reindex.toVersion).embedder;
    const waiting = {
      code: 'model_unavailable',
      detail: `No worker that holds ${name} has taken it; add it to EMBEDDING_MODEL of a worker, or cancel the reindex.`,
    };
    log.warn({ reindex: reindex.id, tenant: record.tenant, corpus: record.corpus, embedder: name }, 'Nobody works on a reindex.');
    await changeRecord(documents, record, (found) => {
      const open = openReindex(found);
      const isStill = open?.id === reindex.id && open.waiting === undefined && isUnattended(open, now());
      return isStill ? changeReindex(found, open.id, (rest) => ({ ...rest, waiting })) : found;
    });
  }
}
