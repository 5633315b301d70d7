import type { FieldError } from '@rerank-fleet/core/errors';

/** Deeper nesting than this is no document; validators and stores recurse. */
export const MAX_JSON_DEPTH = 64;

const TEXT_FAULT = 'holds a NUL character or half of a surrogate pair; send well-formed Unicode';

const isClean = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** `~` and `/` are escaped as RFC 6901 says. */
export function pointerSegment(key: PropertyKey): string {
  return `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

interface Node {
  readonly value: object;
  readonly pointer: string;
  readonly depth: number;
}

/**
 * What makes a parsed JSON value unfit, wherever it lies: nesting beyond {@link MAX_JSON_DEPTH}, and text that no store or tokenizer can
 * carry. Undefined if all is well.
 */
export function findShapeFault(value: unknown): FieldError | undefined {
  if (typeof value === 'string') return isClean(value) ? undefined : { pointer: '', detail: TEXT_FAULT };
  const open: Node[] = isObject(value) ? [{ value, pointer: '', depth: 1 }] : [];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node.depth > MAX_JSON_DEPTH) return { pointer: '', detail: `is nested more than ${MAX_JSON_DEPTH} levels deep` };
    for (const [key, child] of Object.entries(node.value) as [string, unknown][]) {
      if (!isClean(key)) return { pointer: node.pointer, detail: `has a key that ${TEXT_FAULT}` };
      if (typeof child === 'string') {
        if (!isClean(child)) return { pointer: node.pointer + pointerSegment(key), detail: TEXT_FAULT };
      } else if (isObject(child)) {
        open.push({ value: child, pointer: node.pointer + pointerSegment(key), depth: node.depth + 1 });
      }
    }
  }
  return undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
