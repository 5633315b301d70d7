import type { QdrantPoint } from './qdrant-point.js';

/** The server refuses bodies over 32 MB unless it is configured otherwise: half of that leaves room for the condition and for a mistaken estimate. */
const MAX_BYTES = 16 * 1024 * 1024;
const MAX_POINTS = 500;

/** Most characters of a float32 written as a double, with its comma, and of a term's number. */
const FLOAT_BYTES = 25;
const INDEX_BYTES = 11;
const FRAME_BYTES = 128;

/** Points in bodies of bounded size, in order. A point beyond the bound goes alone. */
export function* pointBatches(points: Iterable<QdrantPoint>, maxBytes = MAX_BYTES, maxPoints = MAX_POINTS): Generator<QdrantPoint[]> {
  let batch: QdrantPoint[] = [];
  let bytes = 0;
  for (const point of points) {
    const size = bytesOf(point);
    if (batch.length > 0 && (batch.length === maxPoints || bytes + size > maxBytes)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(point);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

/** An upper bound of its JSON. The vectors' part is reckoned, as writing them twice would cost more than the rest of the request. */
export function bytesOf({ vector: { dense = [], bm25 }, payload }: QdrantPoint): number {
  const terms = bm25?.indices.length ?? 0;
  return (
    FRAME_BYTES + dense.length * FLOAT_BYTES + terms * (FLOAT_BYTES + INDEX_BYTES) + Buffer.byteLength(JSON.stringify(payload), 'utf8')
  );
}
