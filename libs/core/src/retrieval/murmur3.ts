const encoder = new TextEncoder();
const scratch = new Uint8Array(3 * 256);

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function scramble(block: number): number {
  return Math.imul(rotate(Math.imul(block, 0xcc9e2d51), 15), 0x1b873593);
}

/** MurmurHash3_x86_32 (Austin Appleby, public domain) of the UTF-8 bytes, seed 0, as an unsigned integer. */
export function murmur3(text: string): number {
  const bytes = text.length <= 256 ? scratch.subarray(0, encoder.encodeInto(text, scratch).written) : encoder.encode(text);
  const blockBytes = bytes.length & ~3;
  let hash = 0;
  for (let i = 0; i < blockBytes; i += 4) {
    const block = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    hash = (Math.imul(rotate(hash ^ scramble(block), 13), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = bytes.length - 1; i >= blockBytes; i -= 1) tail = (tail << 8) | bytes[i]!;
  hash ^= scramble(tail) ^ bytes.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
