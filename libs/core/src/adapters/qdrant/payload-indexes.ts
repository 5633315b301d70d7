import type { FieldType } from '../../domain/index.js';
import type { QdrantConnection } from './qdrant-connection.js';

type Fields = Readonly<Record<string, FieldType>>;

/**
 * The payload indexes of collections. An earlier release made fewer of them, and who died while it made a collection has not made all: a server in strict mode refuses
 * conditions on fields without one. What a collection has is asked once, as indexes go with their collection only.
 *
 * @throws RerankError `candidate_store_unavailable`, `storage_full`, `corpus_not_found` (no such collection)
 */
export class PayloadIndexes {
  /** By collection, the type of each field's index. */
  private readonly known = new Map<string, Map<string, string>>();

  constructor(private readonly connection: QdrantConnection) {}

  /** Whether nothing is to be made for these fields, as far as this process knows. */
  has(collection: string, fields: Fields): boolean {
    const known = this.known.get(collection);
    return known !== undefined && Object.keys(fields).every((field) => known.has(field));
  }

  /** Makes those that are missing. One of another type stays: whoever asks may not have heard yet that it was changed. */
  async complete(collection: string, fields: Fields): Promise<void> {
    await this.make(collection, fields, (found) => found === undefined);
  }

  /** Makes those that are missing or of another type. */
  async settle(collection: string, fields: Fields): Promise<void> {
    await this.make(collection, fields, (found, wanted) => found !== wanted);
  }

  /** The collection is dropped, or made. */
  forget(collection: string): void {
    this.known.delete(collection);
  }

  private async make(
    collection: string,
    fields: Fields,
    isWanted: (found: string | undefined, wanted: FieldType) => boolean,
  ): Promise<void> {
    const known = this.known.get(collection) ?? new Map(await this.connection.indexedFields(collection));
    for (const [field, type] of Object.entries(fields)) {
      if (!isWanted(known.get(field), type)) continue;
      await this.connection.createIndexes(collection, { [field]: type });
      known.set(field, type);
    }
    this.known.set(collection, known);
  }
}

/** Fields that a client declared, where payloads have them. */
export function metadataFields(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([key, type]) => [`metadata.${key}`, type]));
}
