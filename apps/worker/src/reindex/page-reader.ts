import type { StoredDocument } from '@rerank-fleet/core/domain';
import type { DocumentPage } from '@rerank-fleet/core/ports';
import { patiently } from './patiently.js';
import type { ReindexParts } from './reindex-parts.js';
import type { ReindexSession } from './reindex-session.js';

/** Documents of the first page: nothing is known of their length yet. */
const FIRST_PAGE = 16;

/** Reads the record page by page. Pages have fewer documents where documents are long, so that memory and work done again are bounded. */
export class PageReader {
  readonly #parts: ReindexParts;
  readonly #session: ReindexSession;
  #limit: number;

  constructor(parts: ReindexParts, session: ReindexSession) {
    this.#parts = parts;
    this.#session = session;
    this.#limit = Math.min(FIRST_PAGE, parts.limits.pageDocuments);
  }

  /** @throws the signal's reason */
  async read(after: string | undefined): Promise<DocumentPage> {
    const { rate } = this.#session.throttle;
    // A page is at most a second's worth, so that the rate is kept evenly.
    const limit = rate === undefined ? this.#limit : Math.max(1, Math.min(this.#limit, Math.ceil(rate)));
    const page = await patiently(this.#parts, this.#session, () =>
      this.#parts.documents.scanDocuments(this.#session.ref, { limit, ...(after === undefined ? {} : { after }) }),
    );
    this.#learn(page.documents);
    return page;
  }

  #learn(documents: readonly StoredDocument[]): void {
    if (documents.length === 0) return;
    const { pageCharacters, pageDocuments } = this.#parts.limits;
    const mean = charactersOf(documents) / documents.length;
    this.#limit = Math.max(1, Math.min(pageDocuments, Math.floor(pageCharacters / mean)));
  }
}

export function charactersOf(documents: readonly StoredDocument[]): number {
  return documents.reduce((sum, { title = '', text }) => sum + title.length + text.length + 1, 0);
}
