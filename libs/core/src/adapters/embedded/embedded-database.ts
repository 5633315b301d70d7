import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { RerankError } from '../../errors/index.js';
import { MIGRATIONS, SCHEMA, SCHEMA_VERSION } from './schema.js';
import { isBusy, toStoreError } from './sqlite-errors.js';

export interface EmbeddedOptions {
  /** Folder of `embedded.sqlite`; made if it is not there. */
  readonly directory: string;
  /** Refuses writes through these stores. @defaultValue false */
  readonly readOnly?: boolean;
  /** Milliseconds to wait for another process' write. @defaultValue 10000 */
  readonly busyTimeoutMs?: number;
  /** Largest size of the file in bytes; a write beyond it is `storage_full`. @defaultValue no limit but the disk */
  readonly maxBytes?: number;
}

const PAGE_BYTES = 4096;
const OPEN_ATTEMPTS = 50;
const OPEN_PAUSE_MS = 20;

/**
 * One connection to the store's file. Synchronous: for use in a thread of its own.
 *
 * @throws RerankError `candidate_store_unavailable`, `storage_full`
 */
export class EmbeddedDatabase {
  private readonly database: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();

  constructor(options: EmbeddedOptions) {
    try {
      mkdirSync(options.directory, { recursive: true });
      this.database = new DatabaseSync(join(options.directory, 'embedded.sqlite'), { timeout: options.busyTimeoutMs ?? 10_000 });
    } catch (error) {
      throw toStoreError(error);
    }
    try {
      this.configure(options);
    } catch (error) {
      this.database.close();
      throw toStoreError(error);
    }
  }

  /** A prepared statement, kept for the life of the connection. */
  statement(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (statement === undefined) {
      statement = this.database.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }

  /** Runs `work` in one durable transaction: all of it or nothing. */
  write<T>(work: () => T): T {
    return this.transaction('BEGIN IMMEDIATE', work);
  }

  /** Runs `work` on one snapshot of the file. */
  read<T>(work: () => T): T {
    return this.transaction('BEGIN', work);
  }

  close(): void {
    if (this.database.isOpen) this.database.close();
  }

  private transaction<T>(begin: string, work: () => T): T {
    try {
      this.database.exec(begin);
      const result = work();
      this.database.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite ends the transaction itself on some errors, a full disk among them.
      if (this.database.isTransaction) this.database.exec('ROLLBACK');
      throw toStoreError(error);
    }
  }

  private configure(options: EmbeddedOptions): void {
    this.enterWalMode();
    // In WAL mode only FULL syncs the log at each commit; NORMAL may lose acknowledged writes when the power goes.
    this.database.exec('PRAGMA synchronous = FULL');
    if (options.maxBytes !== undefined) {
      this.database.exec(`PRAGMA max_page_count = ${String(Math.max(1, Math.floor(options.maxBytes / PAGE_BYTES)))}`);
    }
    this.migrate();
    if (options.readOnly === true) this.database.exec('PRAGMA query_only = ON');
  }

  /** The switch to WAL does not wait for locks, so processes that start together must try again. */
  private enterWalMode(): void {
    for (let attempt = 1; ; attempt += 1) {
      try {
        this.database.exec('PRAGMA journal_mode = WAL');
        return;
      } catch (error) {
        if (!isBusy(error) || attempt === OPEN_ATTEMPTS) throw error;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, OPEN_PAUSE_MS);
      }
    }
  }

  private migrate(): void {
    if (this.schemaVersion() === SCHEMA_VERSION) return;
    this.write(() => {
      const found = this.schemaVersion();
      if (found > SCHEMA_VERSION) {
        const detail = `The embedded store was written by a newer release (schema ${String(found)}, this one reads ${String(SCHEMA_VERSION)}). Start that release, or use another state directory.`;
        throw new RerankError('candidate_store_unavailable', detail);
      }
      if (found === 0) this.database.exec(SCHEMA);
      else for (let from = found; from < SCHEMA_VERSION; from += 1) this.database.exec(MIGRATIONS.get(from)!);
    });
  }

  private schemaVersion(): number {
    return this.database.prepare('PRAGMA user_version').get()!['user_version'] as number;
  }
}
