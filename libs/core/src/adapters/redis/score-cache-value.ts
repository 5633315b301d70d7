import type { PairScore } from '../../ports/index.js';

const FORMAT = 1;
const TRUNCATED = 1;
const SPAN = 2;
const SHORT_BYTES = 14;
const LONG_BYTES = 22;

/** A score in 14 bytes, or 22 with a span: format, flags, logit (float64), tokens, start and end (uint32), little-endian. */
export function encodeScore({ logit, tokens, truncated, span }: PairScore): Buffer {
  const bytes = Buffer.alloc(span === undefined ? SHORT_BYTES : LONG_BYTES);
  bytes.writeUInt8(FORMAT, 0);
  bytes.writeUInt8((truncated ? TRUNCATED : 0) | (span === undefined ? 0 : SPAN), 1);
  bytes.writeDoubleLE(logit, 2);
  bytes.writeUInt32LE(tokens, 10);
  if (span !== undefined) {
    bytes.writeUInt32LE(span.start, 14);
    bytes.writeUInt32LE(span.end, 18);
  }
  return bytes;
}

/** Undefined for what {@link encodeScore} of this version did not write. */
export function decodeScore(bytes: Buffer): PairScore | undefined {
  if (bytes.length < SHORT_BYTES || bytes.readUInt8(0) !== FORMAT) return undefined;
  const flags = bytes.readUInt8(1);
  const hasSpan = (flags & SPAN) !== 0;
  const logit = bytes.readDoubleLE(2);
  if (bytes.length !== (hasSpan ? LONG_BYTES : SHORT_BYTES) || !Number.isFinite(logit)) return undefined;
  const score = { logit, tokens: bytes.readUInt32LE(10), truncated: (flags & TRUNCATED) !== 0 };
  return hasSpan ? { ...score, span: { start: bytes.readUInt32LE(14), end: bytes.readUInt32LE(18) } } : score;
}
