import type { Candidate, CorpusVersion, Filter, Metadata } from '../../domain/index.js';
import type { EmbeddedDatabase } from './embedded-database.js';
import type { PassageHit, PassageQuery } from './passage-index.js';
import { VersionIndex } from './version-index.js';
import { versionKey } from './version-keys.js';

const PASSAGE = `
  SELECT d.document_id, d.title, d.metadata, p.ordinal, p.start_offset, p.end_offset, p.text
  FROM passages p JOIN indexed_documents d ON d.key = p.document_key WHERE p.key = ?`;

const LATER_VERSIONS = `
  SELECT later.key, later.dimensions FROM versions used
  JOIN versions later ON later.tenant = used.tenant AND later.corpus = used.corpus AND later.corpus_id = used.corpus_id
  WHERE used.key = ? AND later.version > used.version`;

/** A version that nobody asked for this long leaves memory. */
const IDLE_MS = 10 * 60_000;

/** Documents loaded in one step while nothing else waits: some ten milliseconds. */
const STEP_DOCUMENTS = 256;

interface LoadedVersion {
  readonly index: VersionIndex;
  usedAt: number;
}

/** Searches over versions held in memory, each kept in step with the file. */
export class CandidateReads {
  private readonly loaded = new Map<number, LoadedVersion>();

  constructor(private readonly database: EmbeddedDatabase) {}

  /** The whole search sees one snapshot, so no hit can be gone when its text is read. */
  retrieve(version: CorpusVersion, query: PassageQuery): Candidate[] {
    return this.database.read(() =>
      this.current(version)
        .passages.search(query)
        .map((hit, i) => this.candidate(hit, i + 1)),
    );
  }

  count(version: CorpusVersion, filter: Filter | undefined): number {
    return this.database.read(() => {
      if (filter !== undefined) return this.current(version).passages.count(filter);
      const key = versionKey(this.database, version);
      return this.database.statement('SELECT count(*) AS passages FROM passages WHERE version_key = ?').get(key)!['passages'] as number;
    });
  }

  /** By document id; those that were never written are left out. */
  documentSeqs(version: CorpusVersion, documentIds: readonly string[]): Map<string, number> {
    return this.database.read(() => {
      const key = versionKey(this.database, version);
      const find = this.database.statement('SELECT seq FROM indexed_documents WHERE version_key = ? AND document_id = ?');
      const found = documentIds.map((id) => [id, find.get(key, id)?.['seq'] as number | undefined] as const);
      return new Map(found.filter((entry): entry is [string, number] => entry[1] !== undefined));
    });
  }

  countDocuments(version: CorpusVersion): number {
    return this.database.read(() => {
      const key = versionKey(this.database, version);
      return this.database.statement('SELECT count(*) AS documents FROM passages WHERE version_key = ? AND ordinal = 0').get(key)![
        'documents'
      ] as number;
    });
  }

  /**
   * Loads some of a version that may be promoted next: a later one of a corpus that is searched. The first search after the swap then waits for no load.
   *
   * @returns whether there is more to load
   */
  prepare(): boolean {
    return this.database.read(() => {
      for (const [used, { usedAt }] of [...this.loaded]) {
        for (const row of this.database.statement(LATER_VERSIONS).all(used)) {
          const key = row['key'] as number;
          const known = this.loaded.get(key);
          const index = known?.index ?? new VersionIndex(this.database, key, row['dimensions'] as number);
          const isWhole = this.applied(key, index, STEP_DOCUMENTS);
          this.loaded.set(key, { index, usedAt: Math.max(usedAt, known?.usedAt ?? 0) });
          if (!isWhole) return true;
        }
      }
      return false;
    });
  }

  private current(version: CorpusVersion): VersionIndex {
    const key = versionKey(this.database, version);
    this.forgetOthers(key);
    const index = this.loaded.get(key)?.index ?? new VersionIndex(this.database, key, version.embedder.dimensions);
    this.applied(key, index);
    this.loaded.set(key, { index, usedAt: Date.now() });
    return index;
  }

  private applied(key: number, index: VersionIndex, mostDocuments?: number): boolean {
    try {
      return index.applyChanges(mostDocuments);
    } catch (error) {
      // Half applied: the next search starts from the file again.
      this.loaded.delete(key);
      throw error;
    }
  }

  /** Versions that are gone, by whatever process, and those that nobody asks for. */
  private forgetOthers(key: number): void {
    if (this.loaded.size === 0 || (this.loaded.size === 1 && this.loaded.has(key))) return;
    for (const [other, { usedAt }] of this.loaded) {
      if (other === key) continue;
      const idle = Date.now() - usedAt > IDLE_MS;
      if (idle || this.database.statement('SELECT 1 FROM versions WHERE key = ?').get(other) === undefined) this.loaded.delete(other);
    }
  }

  private candidate({ key, score }: PassageHit, rank: number): Candidate {
    const row = this.database.statement(PASSAGE).get(key)!;
    return {
      documentId: row['document_id'] as string,
      passage: {
        index: row['ordinal'] as number,
        start: row['start_offset'] as number,
        end: row['end_offset'] as number,
        text: row['text'] as string,
      },
      ...(row['title'] === null ? {} : { title: row['title'] as string }),
      ...(row['metadata'] === null ? {} : { metadata: JSON.parse(row['metadata'] as string) as Metadata }),
      firstStage: { score, rank },
    };
  }
}
