export interface QdrantPoint {
  readonly id: string;
  /** Empty for a point that only holds a payload. */
  readonly vector: {
    readonly dense?: readonly number[];
    readonly bm25?: { readonly indices: readonly number[]; readonly values: readonly number[] };
  };
  readonly payload: Readonly<Record<string, unknown>>;
}
