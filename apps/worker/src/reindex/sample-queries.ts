import type { StoredDocument } from '@rerank-fleet/core/domain';

/** Code points of a query: about as long as those that people type into a help desk. */
const MOST_CHARACTERS = 160;
const END_OF_SENTENCE = /[.!?](?=\s)|[。！？\n]/u;

/** Makes queries of documents that are spread evenly over a scan of about `total`. */
export class QuerySample {
  readonly queries: string[] = [];
  readonly #wanted: number;
  readonly #total: number;
  #seen = 0;

  constructor(wanted: number, total: number) {
    this.#wanted = wanted;
    this.#total = Math.max(1, total);
  }

  add(documents: readonly StoredDocument[]): void {
    for (const document of documents) {
      const due = Math.ceil(((this.#seen + 1) * this.#wanted) / this.#total);
      this.#seen += 1;
      if (this.queries.length < Math.min(due, this.#wanted)) this.queries.push(queryOf(document));
    }
  }
}

/** The title, or the first sentence. */
export function queryOf({ title, text }: Pick<StoredDocument, 'title' | 'text'>): string {
  const heading = title?.trim() ?? '';
  if (heading !== '') return cut(heading);
  const start = text.trimStart().slice(0, 4 * MOST_CHARACTERS);
  const end = start.search(END_OF_SENTENCE);
  return cut(end === -1 ? start : start.slice(0, end + 1));
}

/** Not in the middle of a word, where there are such. */
function cut(text: string): string {
  const points = Array.from(text);
  if (points.length <= MOST_CHARACTERS) return text.trim();
  const short = points.slice(0, MOST_CHARACTERS).join('');
  const space = short.lastIndexOf(' ');
  return (space > 0 ? short.slice(0, space) : short).trim();
}
