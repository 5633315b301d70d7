import { createHash } from 'node:crypto';

/** Namespace of this project's name-based ids; a change would orphan every stored point. */
const NAMESPACE = Buffer.from('6a1d0f0e6d0b5d0d9c5a7d3b9f2e4c81', 'hex');

/** UUIDv5 (RFC 9562, section 5.5) of a name in this project's namespace. */
export function nameBasedId(name: string): string {
  const bytes = createHash('sha1').update(NAMESPACE).update(name, 'utf8').digest().subarray(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x50;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Id of a passage, the same wherever it is computed. JSON keeps the two parts apart whatever characters a document id holds. */
export function passageId(documentId: string, passageIndex: number): string {
  return nameBasedId(JSON.stringify(['passage', documentId, passageIndex]));
}

/** Id of a document's own record. */
export function documentPointId(documentId: string): string {
  return nameBasedId(JSON.stringify(['document', documentId]));
}
