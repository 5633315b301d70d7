import type { KeyListing, KeyStore, StoredKey } from '@rerank-fleet/api/auth/stored-keys';
import { isUnsettled, type CorpusRecord, type CorpusRef, type PendingDelete, type StoredDocument } from '@rerank-fleet/core/domain';
import type { RerankError } from '@rerank-fleet/core/errors';
import type { BlobBody, BlobListOptions, BlobRange, BlobStore, DocumentPage, DocumentStore } from '@rerank-fleet/core/ports';
import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';

const refKey = ({ tenant, corpus }: CorpusRef): string => `${tenant}/${corpus}`;

/** The record of corpora in this process' memory. */
export class MemoryDocumentStore implements DocumentStore {
  readonly corpora = new Map<string, CorpusRecord>();
  readonly documents = new Map<string, Map<string, StoredDocument>>();
  readonly pendingDeletes = new Map<string, PendingDelete>();
  /** Every call fails with it while it is set. */
  fault: RerankError | undefined;

  async createCorpus(record: CorpusRecord): Promise<boolean> {
    this.#check();
    if (this.corpora.has(refKey(record))) return false;
    this.corpora.set(refKey(record), record);
    this.documents.set(refKey(record), new Map());
    return true;
  }

  async findCorpus(ref: CorpusRef): Promise<CorpusRecord | undefined> {
    this.#check();
    return this.corpora.get(refKey(ref));
  }

  async listCorpora(tenant: string): Promise<readonly CorpusRecord[]> {
    this.#check();
    return [...this.corpora.values()].filter((record) => record.tenant === tenant).sort((a, b) => (a.corpus < b.corpus ? -1 : 1));
  }

  async listAllCorpora(): Promise<readonly CorpusRecord[]> {
    return [...this.corpora.values()];
  }

  async listUnsettled(): Promise<readonly CorpusRef[]> {
    return [...this.corpora.values()].filter(isUnsettled);
  }

  async updateCorpus(record: CorpusRecord): Promise<boolean> {
    this.corpora.set(refKey(record), record);
    return true;
  }

  async deleteCorpus(ref: CorpusRef): Promise<boolean> {
    return this.corpora.delete(refKey(ref));
  }

  async countDeleted(): Promise<number> {
    return 0;
  }

  async putDocuments(ref: CorpusRef, documents: readonly StoredDocument[]): Promise<ReadonlySet<string>> {
    for (const document of documents) this.documents.get(refKey(ref))?.set(document.id, document);
    return new Set(documents.map((document) => document.id));
  }

  async deleteDocuments(ref: CorpusRef, ids: readonly string[]): Promise<number> {
    return ids.filter((id) => this.documents.get(refKey(ref))?.delete(id)).length;
  }

  async findDocument(ref: CorpusRef, id: string): Promise<StoredDocument | undefined> {
    this.#check();
    return this.documents.get(refKey(ref))?.get(id);
  }

  async scanDocuments(
    ref: CorpusRef,
    { after, limit = Infinity }: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<DocumentPage> {
    this.#check();
    const all = [...(this.documents.get(refKey(ref))?.values() ?? [])];
    const start = after === undefined ? 0 : all.findIndex(({ id }) => id === after) + 1;
    const documents = all.slice(start, start + limit);
    return { documents, ...(start + documents.length < all.length ? { next: documents.at(-1)!.id } : {}) };
  }

  async countDocuments(ref: CorpusRef): Promise<number> {
    return this.documents.get(refKey(ref))?.size ?? 0;
  }

  async beginDelete(pending: PendingDelete): Promise<void> {
    this.pendingDeletes.set(pending.id, pending);
  }

  async endDelete({ id }: Pick<PendingDelete, 'id'>): Promise<void> {
    this.pendingDeletes.delete(id);
  }

  async listPendingDeletes(): Promise<readonly PendingDelete[]> {
    return [...this.pendingDeletes.values()];
  }

  async purgeTombstones(): Promise<void> {
    // No tombstones are kept.
  }

  async close(): Promise<void> {
    // Nothing is open.
  }

  #check(): void {
    if (this.fault !== undefined) throw this.fault;
  }
}

/** Blobs in this process' memory. */
export class MemoryBlobStore implements BlobStore {
  readonly blobs = new Map<string, Buffer>();
  fault: RerankError | undefined;

  async put(key: string, body: BlobBody): Promise<void> {
    if (this.fault !== undefined) throw this.fault;
    this.blobs.set(key, body instanceof Readable ? await buffer(body) : Buffer.from(body as string));
  }

  async create(key: string, body: BlobBody): Promise<boolean> {
    const content = body instanceof Readable ? await buffer(body) : body;
    if (this.blobs.has(key)) return false;
    await this.put(key, content);
    return true;
  }

  async get(key: string): Promise<Buffer | undefined> {
    return this.blobs.get(key);
  }

  async stream(key: string, { start, end }: BlobRange = { start: 0 }): Promise<Readable | undefined> {
    const blob = this.blobs.get(key);
    return blob === undefined ? undefined : Readable.from([blob.subarray(start, end)], { objectMode: false });
  }

  async size(key: string): Promise<number | undefined> {
    return this.blobs.get(key)?.length;
  }

  async delete(key: string): Promise<void> {
    this.blobs.delete(key);
  }

  async deleteUnder(prefix: string): Promise<void> {
    for (const key of [...this.blobs.keys()]) if (key.startsWith(`${prefix}/`)) this.blobs.delete(key);
  }

  async *list(prefix: string, { after = '' }: BlobListOptions = {}): AsyncIterable<string> {
    yield* [...this.blobs.keys()].filter((key) => key.startsWith(`${prefix}/`) && key > after).sort();
  }
}

/** Keys in this process' memory. */
export class MemoryApiKeys implements KeyStore {
  readonly keys = new Map<string, StoredKey>();
  #version = 0;

  async add(key: StoredKey): Promise<void> {
    this.#version += 1;
    this.keys.set(key.id, key);
  }

  async remove(id: string, seen: string): Promise<boolean> {
    if (seen !== String(this.#version)) return false;
    this.#version += 1;
    this.keys.delete(id);
    return true;
  }

  async list(): Promise<KeyListing> {
    return { keys: [...this.keys.values()], unreadable: [] };
  }

  async version(): Promise<string> {
    return String(this.#version);
  }
}
