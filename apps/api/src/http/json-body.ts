import { RerankError } from '@rerank-fleet/core/errors';
import type { BodyInHand } from '../admission/bodies-in-hand.js';
import { bodyBytes, type BodySource } from './body-bytes.js';
import { findJsonFault } from './json-fault.js';
import { findShapeFault } from './json-shape.js';

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a whole JSON body; undefined if there is none.
 *
 * @throws RerankError `invalid_request` (with line and column, or a pointer), `payload_too_large`, `unsupported_media_type`, `overloaded`
 */
export async function readJsonBody(raw: BodySource, maxBytes: number, inHand?: BodyInHand): Promise<unknown> {
  const chunks: Buffer[] = [];
  const expected = Number(raw.headers['content-length'] ?? 0);
  let total = 0;
  for await (const chunk of bodyBytes(raw, { maxBytes, advice: 'Send fewer or shorter documents in one call.' })) {
    inHand?.grow((total += chunk.length), expected);
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks);
  return body.length === 0 ? undefined : parseJson(body);
}

/**
 * Parses one JSON text and makes sure that any part of it can be validated, stored and answered.
 *
 * @throws RerankError `invalid_request`
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    throw new RerankError('invalid_request', 'The text is not valid UTF-8.');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The message of the parser quotes the text; only the place is told.
    throw new RerankError('invalid_request', `The text is not valid JSON${placeOf(text)}.`);
  }
  const fault = findShapeFault(value);
  if (fault !== undefined)
    throw new RerankError('invalid_request', `${fault.pointer === '' ? 'The text' : fault.pointer} ${fault.detail}.`, { errors: [fault] });
  return value;
}

function placeOf(text: string): string {
  const offset = findJsonFault(text);
  if (offset === undefined) return '';
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return `: line ${line}, column ${offset - (before.lastIndexOf('\n') + 1) + 1}${offset >= text.length ? ' (it ends too early)' : ''}`;
}
