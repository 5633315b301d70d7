export function encodeHalves(values: ArrayLike<number>): string {
  return Buffer.from(Float16Array.from(values).buffer).toString('base64');
}

export function decodeHalves(text: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return Float32Array.from(new Float16Array(bytes.buffer, 0, bytes.length >> 1));
}
