import { PassageIndex, type PassageQuery } from '@rerank-fleet/core/adapters/embedded/passage-index';
import type { Filter, Metadata } from '@rerank-fleet/core/domain';
import { compileFilter, reciprocalRankFusion } from '@rerank-fleet/core/retrieval';

export interface Reply {
  readonly status: number;
  readonly body: unknown;
}

interface SparseNumbers {
  readonly indices: readonly number[];
  readonly values: readonly number[];
}

interface Point {
  readonly id: string;
  readonly vector: { readonly dense?: readonly number[]; readonly bm25?: SparseNumbers };
  readonly payload?: Metadata;
}

interface Upsert {
  readonly points: readonly Point[];
  readonly update_filter?: Filter;
  readonly update_mode?: string;
}

interface Selector {
  readonly points?: readonly string[];
  readonly filter?: Filter;
}

interface SetPayload extends Selector {
  readonly payload: Metadata;
}

interface VectorQuery {
  readonly query: readonly number[] | SparseNumbers;
  readonly using: 'dense' | 'bm25';
  readonly filter?: Filter;
  readonly limit: number;
}

interface Query extends Partial<VectorQuery> {
  readonly prefetch?: readonly VectorQuery[];
  readonly with_payload?: boolean | readonly string[];
  readonly limit: number;
}

type Action =
  | { readonly create_alias: { readonly collection_name: string; readonly alias_name: string } }
  | { readonly delete_alias: { readonly alias_name: string } };

const ok = (result: unknown): Reply => ({ status: 200, body: { result, status: 'ok' } });
const fault = (status: number, error: string): Reply => ({ status, body: { status: { error } } });
const completed = ok({ operation_id: 0, status: 'completed' });

interface Collection {
  /** Undefined: no vectors. */
  readonly dimensions: number | undefined;
  readonly points: Map<string, Point>;
  /** By field, the type of its index. */
  readonly indexes: Map<string, string>;
}

/** As much of a Qdrant server as the adapter talks to, in memory. A test holds its answers to the recorded ones. */
export class ReplayCollections {
  private readonly collections = new Map<string, Collection>();
  private readonly aliases = new Map<string, string>();

  names(): readonly string[] {
    return [...this.collections.keys()];
  }

  answer(method: string, segments: readonly string[], body: unknown): Reply {
    const [, name = '', ...rest] = segments;
    if (name === 'aliases') return this.changeAliases((body as { actions: readonly Action[] }).actions);
    const operation = `${method} ${rest.join('/')}`;
    if (operation === 'PUT ') return this.create(name, body as { vectors: { dense?: { size: number } } });
    if (operation === 'DELETE ') return this.drop(name);
    const collection = this.collections.get(this.aliases.get(name) ?? name);
    if (collection === undefined) return fault(404, `Not found: Collection \`${name}\` doesn't exist!`);
    switch (operation) {
      case 'GET ':
        return ok({
          payload_schema: Object.fromEntries([...collection.indexes].map(([field, data_type]) => [field, { data_type, points: 0 }])),
        });
      case 'PUT index': {
        const { field_name: field, field_schema: type } = body as { field_name: string; field_schema: string };
        collection.indexes.set(field, type);
        return completed;
      }
      case 'PUT points':
        return upsert(collection, body as Upsert);
      case 'POST points':
        return retrieve(collection, body as { ids: readonly string[]; with_payload: boolean | readonly string[] });
      case 'POST points/delete':
        return remove(collection, body as Selector);
      case 'POST points/payload':
        return setPayload(collection, body as SetPayload);
      case 'POST points/batch':
        return batch(collection, body as { operations: readonly { upsert?: Upsert; delete?: Selector }[] });
      case 'POST points/count':
        return ok({ count: passing(collection, (body as { filter?: Filter }).filter).length });
      case 'POST points/scroll':
        return scroll(collection, body as Parameters<typeof scroll>[1]);
      case 'POST points/query':
        return query(collection, body as Query);
      default:
        return fault(404, `no such operation here: ${operation}`);
    }
  }

  private create(name: string, { vectors }: { vectors: { dense?: { size: number } } }): Reply {
    if (this.collections.has(name)) return fault(409, `Wrong input: Collection \`${name}\` already exists!`);
    if (this.aliases.has(name))
      return fault(400, `Wrong input: Can't create collection with name ${name}. Alias with the same name already exists`);
    this.collections.set(name, { dimensions: vectors.dense?.size, points: new Map(), indexes: new Map() });
    return ok(true);
  }

  private drop(name: string): Reply {
    for (const [alias, target] of this.aliases) if (target === name) this.aliases.delete(alias);
    return ok(this.collections.delete(name));
  }

  private changeAliases(actions: readonly Action[]): Reply {
    for (const action of actions) {
      if (!('create_alias' in action)) continue;
      const { collection_name: target, alias_name: alias } = action.create_alias;
      if (!this.collections.has(target)) return fault(404, `Not found: Collection \`${target}\` doesn't exist!`);
      if (this.collections.has(alias)) return fault(409, `Wrong input: Collection \`${alias}\` already exists!`);
    }
    for (const action of actions) {
      if ('create_alias' in action) this.aliases.set(action.create_alias.alias_name, action.create_alias.collection_name);
      else this.aliases.delete(action.delete_alias.alias_name);
    }
    return ok(true);
  }
}

function upsert({ dimensions, points }: Collection, { points: incoming, update_filter: onlyOver, update_mode: mode }: Upsert): Reply {
  for (const { id, vector } of incoming) {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) && typeof id === 'string') {
      return fault(
        400,
        `Format error in JSON body: value ${id} is not a valid point ID, valid values are either an unsigned integer or a UUID`,
      );
    }
    const unknown = Object.keys(vector).find((key) => dimensions === undefined || (key !== 'dense' && key !== 'bm25'));
    if (unknown !== undefined) return fault(400, `Wrong input: Not existing vector name error: ${unknown}`);
    const got = vector.dense?.length ?? dimensions;
    if (got !== dimensions)
      return fault(400, `Wrong input: Vector dimension error: expected dim: ${String(dimensions)}, got ${String(got)} for vector 'dense'`);
  }
  const passes = onlyOver === undefined ? () => mode !== 'insert_only' : compileFilter(onlyOver);
  for (const point of incoming) {
    const there = points.get(point.id);
    if (there === undefined || passes(there.payload)) points.set(point.id, point);
  }
  return completed;
}

function selected(collection: Collection, { points, filter }: Selector): readonly string[] {
  return points ?? passing(collection, filter).map(({ id }) => id);
}

function remove(collection: Collection, selector: Selector): Reply {
  for (const id of selected(collection, selector)) collection.points.delete(id);
  return completed;
}

/** Other fields of the payloads stay. */
function setPayload(collection: Collection, { payload, ...selector }: SetPayload): Reply {
  for (const id of selected(collection, selector)) {
    const point = collection.points.get(id);
    if (point !== undefined) collection.points.set(id, { ...point, payload: { ...point.payload, ...payload } });
  }
  return completed;
}

function batch(collection: Collection, { operations }: { operations: readonly { upsert?: Upsert; delete?: Selector }[] }): Reply {
  for (const operation of operations) {
    if (operation.upsert !== undefined) upsert(collection, operation.upsert);
    if (operation.delete !== undefined) remove(collection, operation.delete);
  }
  return ok(operations.map(() => ({ operation_id: 0, status: 'completed' })));
}

function passing({ points }: Collection, filter: Filter | undefined): Point[] {
  const passes = compileFilter(filter ?? {});
  return [...points.values()].filter(({ payload }) => passes(payload)).sort((a, b) => (a.id < b.id ? -1 : 1));
}

function withPayload({ id, payload = {} }: Point, wanted: boolean | readonly string[] | undefined): object {
  if (wanted === undefined || wanted === false) return { id };
  if (wanted === true) return { id, payload };
  return { id, payload: Object.fromEntries(Object.entries(payload).filter(([key]) => wanted.includes(key))) };
}

function retrieve(
  { points }: Collection,
  { ids, with_payload }: { ids: readonly string[]; with_payload: boolean | readonly string[] },
): Reply {
  return ok(ids.flatMap((id) => (points.has(id) ? [withPayload(points.get(id)!, with_payload)] : [])));
}

function scroll(
  collection: Collection,
  {
    limit,
    offset = '',
    filter,
    with_payload,
  }: { limit: number; offset?: string; filter?: Filter; with_payload?: boolean | readonly string[] },
): Reply {
  const all = passing(collection, filter).filter(({ id }) => id >= offset);
  return ok({ points: all.slice(0, limit).map((point) => withPayload(point, with_payload)), next_page_offset: all[limit]?.id ?? null });
}

function query(collection: Collection, { prefetch, limit, with_payload, ...rest }: Query): Reply {
  if (limit < 1) return fault(422, 'Validation error in JSON body: [internal.limit: value 0 invalid, must be 1 or larger]');
  const ranked =
    prefetch === undefined
      ? search(collection, { ...(rest as VectorQuery), limit })
      : reciprocalRankFusion(prefetch.map((part) => search(collection, part).map(({ item }) => item))).slice(0, limit);
  const scored = ranked.map(({ item, score }) => ({ ...withPayload(collection.points.get(item)!, with_payload), score }));
  return ok({ points: scored });
}

function search(
  { points, dimensions }: Collection,
  { query: vector, using, filter, limit }: VectorQuery,
): { item: string; score: number }[] {
  const index = new PassageIndex(dimensions!);
  const searchable = [...points.values()].filter((point) => point.vector.dense !== undefined && point.vector.bm25 !== undefined);
  for (const [key, { id, payload, vector: stored }] of searchable.entries()) {
    index.put(id, payload, [{ key, dense: Float32Array.from(stored.dense!), bm25: sparseOf(stored.bm25!) }]);
  }
  const parts: PassageQuery =
    using === 'dense'
      ? { mode: 'dense', dense: Float32Array.from(vector as readonly number[]), limit }
      : { mode: 'sparse', sparse: sparseOf(vector as SparseNumbers), limit };
  return index
    .search({ ...parts, ...(filter === undefined ? {} : { filter }) })
    .map(({ key, score }) => ({ item: searchable[key]!.id, score }));
}

function sparseOf({ indices, values }: SparseNumbers): { indices: Uint32Array; values: Float32Array } {
  return { indices: Uint32Array.from(indices), values: Float32Array.from(values) };
}
