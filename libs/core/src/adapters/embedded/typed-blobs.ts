/** SQLite hands out bytes at any alignment; a typed array needs its own. */
function aligned(bytes: Uint8Array): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
}

export function toBlob(array: Float32Array | Uint32Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

export function float32Of(blob: unknown): Float32Array {
  return new Float32Array(aligned(blob as Uint8Array));
}

export function uint32Of(blob: unknown): Uint32Array {
  return new Uint32Array(aligned(blob as Uint8Array));
}
