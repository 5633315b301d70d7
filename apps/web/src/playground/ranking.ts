import type { RerankResponse, SearchResponse } from '@rerank-fleet/client';
import type { Span } from './highlight.js';

/** One place of a list. */
export interface Ranked {
  /** The same in both lists. */
  readonly key: string;
  /** From 1. */
  readonly rank: number;
  readonly title?: string;
  readonly text?: string;
  /** Of the first stage. */
  readonly firstScore?: number;
  readonly relevance?: number;
  readonly logit?: number;
  readonly tokens?: number;
  readonly truncated?: boolean;
  /** The window that the score is of, in the text. */
  readonly span?: Span;
  readonly metadata?: string;
  readonly stages?: readonly StageScore[];
}

interface StageScore {
  readonly model: string;
  readonly logit: number;
  readonly rank: number;
  readonly exit_layer?: number | undefined;
}

/** How an entry fared: places it rose by, or that the other list does not have it. */
export type Move = { readonly kind: 'moved'; readonly by: number } | { readonly kind: 'new' | 'gone' };

/** The order before and after reranking. Absent where there is only one order. */
export interface Ranking {
  readonly before?: readonly Ranked[];
  readonly after: readonly Ranked[];
}

export function rankingOfRerank(documents: readonly string[], answer: RerankResponse): Ranking {
  const before = documents.map((text, index) => ({ key: String(index), rank: index + 1, text }));
  const after = answer.results.map((result, position) => ({
    key: String(result.index),
    rank: position + 1,
    ...definedOnly({ text: documents[result.index], relevance: result.relevance_score, span: result.best_span }),
    ...explained(result),
  }));
  return { before, after };
}

/** @param firstStage the answer to the same search without reranking */
export function rankingOfSearch(answer: SearchResponse, firstStage: SearchResponse | undefined): Ranking {
  return {
    ...(firstStage === undefined ? {} : { before: firstStage.results.map(found) }),
    after: answer.results.map(found),
  };
}

/** Of each entry of `list` against the other list. */
export function movesOf({ before, after }: Ranking): ReadonlyMap<string, Move> {
  if (before === undefined) return new Map();
  const rankBefore = new Map(before.map(({ key, rank }) => [key, rank]));
  const there = new Set(after.map(({ key }) => key));
  return new Map<string, Move>([
    ...before.filter(({ key }) => !there.has(key)).map(({ key }) => [key, { kind: 'gone' }] as const),
    ...after.map(({ key, rank }) => [key, moveFrom(rankBefore.get(key), rank)] as const),
  ]);
}

function moveFrom(was: number | undefined, rank: number): Move {
  return was === undefined ? { kind: 'new' } : { kind: 'moved', by: was - rank };
}

function found(result: SearchResponse['results'][number], position: number): Ranked {
  const { passage, best_span: span } = result;
  return {
    key: `${result.document_id}#${passage.index}`,
    rank: position + 1,
    title: result.title ?? result.document_id,
    firstScore: result.first_stage.score,
    ...definedOnly({
      text: passage.text,
      relevance: result.relevance_score,
      // The service counts from the start of the document, the page shows the passage.
      span: span === undefined ? undefined : { start: span.start - passage.start, end: span.end - passage.start },
      metadata: result.metadata === undefined || Object.keys(result.metadata).length === 0 ? undefined : JSON.stringify(result.metadata),
    }),
    ...explained(result),
  };
}

type Explained = Pick<RerankResponse['results'][number], 'logit' | 'tokens' | 'truncated' | 'stages'>;

function explained({ logit, tokens, truncated, stages }: Explained): Partial<Ranked> {
  return definedOnly({ logit, tokens, truncated, stages });
}

type DefinedOnly<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

function definedOnly<T extends object>(values: T): DefinedOnly<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as DefinedOnly<T>;
}
