import type { DocumentListBody } from '@rerank-fleet/core/contracts';
import type { CorpusRecord, StoredDocument } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import type { DocumentPageQuery } from './document-queries.js';

/** Characters of text after which a page ends: what is in memory stays small however long documents are. */
const MOST_CHARACTERS = 4_000_000;
/** Documents of the first look, before it is known how long they are. */
const FIRST_LOOK = 16;

/**
 * Documents in the store's own order, which holds between calls. A page may hold fewer than `limit`.
 *
 * @throws RerankError `invalid_request` for a cursor that no page of this corpus had
 */
export async function readPage(
  store: Pick<DocumentStore, 'scanDocuments'>,
  corpus: CorpusRecord,
  { limit, after }: DocumentPageQuery,
): Promise<DocumentListBody> {
  const data: DocumentListBody['data'] = [];
  let characters = 0;
  let next = after === undefined ? undefined : readCursor(corpus, after);
  for (let look = Math.min(FIRST_LOOK, limit); look > 0; look = nextLook(limit, data.length, characters)) {
    const page = await store.scanDocuments(corpus, { limit: look, ...(next === undefined ? {} : { after: next }) });
    for (const document of page.documents) {
      data.push(describeDocument(document));
      characters += document.text.length;
    }
    next = page.next;
    if (next === undefined) return { object: 'list', data, has_more: false };
  }
  return { object: 'list', data, has_more: true, ...(next === undefined ? {} : { next: cursorOf(corpus, next) }) };
}

/** What a store calls a place is its own matter, and holds in this corpus only. */
function cursorOf({ corpusId }: CorpusRecord, place: string): string {
  return Buffer.from(`${corpusId} ${place}`).toString('base64url');
}

function readCursor({ corpusId }: CorpusRecord, cursor: string): string {
  const text = Buffer.from(cursor, 'base64url').toString();
  if (text.startsWith(`${corpusId} `)) return text.slice(corpusId.length + 1);
  throw new RerankError('invalid_request', '/after is not what `next` of a page of this corpus was.', {
    errors: [{ pointer: '/after', detail: 'must be what `next` of a page was' }],
  });
}

/** As many as there is room for if they are as long as those before; 0 when the page is full. */
function nextLook(limit: number, read: number, characters: number): number {
  if (characters >= MOST_CHARACTERS) return 0;
  const usual = Math.max(1, characters / Math.max(1, read));
  return Math.min(limit - read, Math.max(1, Math.floor((MOST_CHARACTERS - characters) / usual)));
}

/** Without what only writers need. */
export function describeDocument({ seq: _, ...document }: StoredDocument): DocumentListBody['data'][number] {
  return document as DocumentListBody['data'][number];
}
