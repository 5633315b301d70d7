import { RerankError } from '@rerank-fleet/core/errors';
import type { EncodePairsRequest } from './sequence-encoder.js';

/** Where a window lies: in UTF-16 units (`from`, `to`) and in Unicode code points (`start`, `end`) of its passage; ends are exclusive. */
export interface WindowSpan {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly end: number;
  /** Tokens that no window before it has. */
  readonly newTokens: number;
}

/** Cuts a text into windows of whole sentences; see `chunkText`. */
export type CutWindows = (
  text: string,
  limits: { readonly maxTokens: number; readonly overlapTokens: number },
) => Promise<readonly WindowSpan[]>;

/** A stretch of a passage that is scored as a pair of its own. */
export interface PassageWindow extends WindowSpan {
  /** Position among the request's passages. */
  readonly passage: number;
  readonly text: string;
}

export interface WindowLimits {
  /** Tokens that the model's window leaves to a passage beside the query. */
  readonly room: number;
  readonly cutWindows: CutWindows;
  /** Whether each text has no more tokens than there is room for. */
  readonly allFit: (texts: readonly string[]) => Promise<boolean>;
}

export interface WindowedPassages {
  readonly windows: readonly PassageWindow[];
  /** Passages of which part was left out, as they are longer than the caller wants looked at. */
  readonly cut: ReadonlySet<number>;
}

/** Share of a window that is repeated at the start of the next, so that an answer at a border is whole in one of them. */
const OVERLAP = 1 / 8;
/**
 * Parts of the room that windows are cut for, until they fit: tokens are counted sentence by sentence, and a window may have a few more, as its first word has no space
 * before it.
 */
const SHARES = [1, 31 / 32, 7 / 8, 3 / 4];
/** Pairs that one request may become. */
const MOST_WINDOWS = 10_000;

/**
 * Windows of the passages that did not fit.
 *
 * @param long positions of these passages
 * @throws RerankError `too_many_candidates` beyond 10,000 windows
 */
export async function windowPassages(
  { passages, maxPassageTokens = Infinity }: EncodePairsRequest,
  { long, ...limits }: WindowLimits & { readonly long: readonly number[] },
): Promise<WindowedPassages> {
  const windows: PassageWindow[] = [];
  const cut = new Set<number>();
  for (const passage of long) {
    const text = passages[passage]!;
    const most = { tokens: maxPassageTokens, windows: MOST_WINDOWS - windows.length };
    const { spans, isCut } = await cutPassage(text, limits, most);
    if (isCut) cut.add(passage);
    for (const span of spans) windows.push({ ...span, passage, text: textOf(text, span) });
  }
  return { windows, cut };
}

const textOf = (text: string, { from, to }: WindowSpan): string => text.slice(from, to);

async function cutPassage(
  text: string,
  { room, cutWindows, allFit }: WindowLimits,
  most: { readonly tokens: number; readonly windows: number },
): Promise<{ readonly spans: readonly WindowSpan[]; readonly isCut: boolean }> {
  let spans: readonly WindowSpan[] = [];
  for (const share of SHARES) {
    const maxTokens = Math.floor(room * share);
    const all = await cutWindows(text, { maxTokens, overlapTokens: Math.floor(maxTokens * OVERLAP) });
    spans = firstTokens(all, most.tokens);
    if (spans.length > most.windows) throw tooManyWindows();
    if (await allFit(spans.map((span) => textOf(text, span)))) return { spans, isCut: spans.length < all.length };
  }
  return { spans, isCut: true };
}

/** Windows that begin before so many tokens were seen. */
function firstTokens(spans: readonly WindowSpan[], tokens: number): readonly WindowSpan[] {
  let seen = 0;
  const end = spans.findIndex(({ newTokens }) => {
    const isBeyond = seen >= tokens;
    seen += newTokens;
    return isBeyond;
  });
  return end < 0 ? spans : spans.slice(0, end);
}

function tooManyWindows(): RerankError {
  const advice = 'Send fewer or shorter documents, bound them by max_tokens_per_doc, or send long_document "truncate".';
  return new RerankError('too_many_candidates', `The documents make more than ${MOST_WINDOWS} windows. ${advice}`);
}
