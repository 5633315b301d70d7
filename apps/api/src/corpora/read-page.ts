import type { DocumentListBody } from '@rerank-fleet/core/contracts';
import type { CorpusRef, StoredDocument } from '@rerank-fleet/core/domain';
import type { DocumentStore } from '@rerank-fleet/core/ports';
import type { DocumentPageQuery } from './document-queries.js';

/** Characters of text after which a page ends: what is in memory stays small however long documents are. */
const MOST_CHARACTERS = 4_000_000;
/** Documents of the first look, before it is known how long they are. */
const FIRST_LOOK = 16;

/** Documents in the store's own order, which holds between calls. A page may hold fewer than `limit`. */
export async function readPage(
  store: Pick<DocumentStore, 'scanDocuments'>,
  corpus: CorpusRef,
  { limit, after }: DocumentPageQuery,
): Promise<DocumentListBody> {
  const data: DocumentListBody['data'] = [];
  let characters = 0;
  let next = after;
  for (let look = Math.min(FIRST_LOOK, limit); look > 0; look = nextLook(limit, data.length, characters)) {
    const page = await store.scanDocuments(corpus, { limit: look, ...(next === undefined ? {} : { after: next }) });
    for (const document of page.documents) {
      data.push(describeDocument(document));
      characters += document.text.length;
    }
    next = page.next;
    if (next === undefined) return { object: 'list', data, has_more: false };
  }
  return { object: 'list', data, has_more: true, ...(next === undefined ? {} : { next }) };
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
