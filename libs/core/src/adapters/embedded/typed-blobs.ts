export function toBlob(array: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export function float32Of(blob: unknown): Float32Array {
  const bytes = aligned(blob as Uint8Array);
  return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Float32Array.BYTES_PER_ELEMENT);
}

export function uint32Of(blob: unknown): Uint32Array {
  const bytes = aligned(blob as Uint8Array);
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / Uint32Array.BYTES_PER_ELEMENT);
}

/** A typed array needs its alignment, which bytes need not have; those of SQLite do, so nothing is copied. */
function aligned(bytes: Uint8Array): Uint8Array {
  return bytes.byteOffset % Uint32Array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
}
