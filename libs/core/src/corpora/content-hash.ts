import { createHash } from 'node:crypto';
import type { Document } from '../domain/index.js';

/** Of all that an index keeps of a document. Two documents of one hash, in one version, have the same passages and vectors. */
export function contentHash({ title, text, metadata }: Pick<Document, 'title' | 'text' | 'metadata'>): string {
  return createHash('sha256')
    .update(JSON.stringify([title ?? null, text, metadata ?? null]))
    .digest('base64url')
    .slice(0, 22);
}
