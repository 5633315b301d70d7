import { RerankError } from '@rerank-fleet/core/errors';
import type { EncodePairsRequest } from './sequence-encoder.js';

/** Where a window lies: in UTF-16 units (`from`, `to`) and in Unicode code points (`start`, `end`) of its passage; ends are exclusive. */
export interface WindowSpan {
  readonly from: number;
  readonly to: number;
  readonly start: number;
  readonly end: number;
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

export interface WindowedPassages {
  readonly windows: readonly PassageWindow[];
  /** Passages of which the end was left out, as they are longer than the caller wants looked at. */
  readonly cut: ReadonlySet<number>;
}

/** Share of a window that is repeated at the start of the next, so that an answer at a border is whole in one of them. */
const OVERLAP = 1 / 8;
/** Pairs that one request may become. */
const MOST_WINDOWS = 10_000;

/**
 * Windows of the passages that did not fit.
 *
 * @param long positions of these passages
 * @param room tokens that the model's window leaves to a passage beside the query
 * @throws RerankError `too_many_candidates` beyond 10,000 windows
 */
export async function windowPassages(
  { passages, maxPassageTokens }: EncodePairsRequest,
  { long, room, cutWindows }: { readonly long: readonly number[]; readonly room: number; readonly cutWindows: CutWindows },
): Promise<WindowedPassages> {
  const limits = { maxTokens: room, overlapTokens: Math.floor(room * OVERLAP) };
  const mostWindows = Math.max(
    1,
    Math.ceil(((maxPassageTokens ?? Infinity) - limits.overlapTokens) / (limits.maxTokens - limits.overlapTokens)),
  );
  const windows: PassageWindow[] = [];
  const cut = new Set<number>();
  for (const passage of long) {
    const text = passages[passage]!;
    const spans = await cutWindows(text, limits);
    if (spans.length > mostWindows) cut.add(passage);
    if (windows.length + Math.min(spans.length, mostWindows) > MOST_WINDOWS) throw tooManyWindows();
    for (const span of spans.slice(0, mostWindows)) windows.push({ ...span, passage, text: text.slice(span.from, span.to) });
  }
  return { windows, cut };
}

function tooManyWindows(): RerankError {
  const advice = 'Send fewer or shorter documents, bound them by max_tokens_per_doc, or send long_document "truncate".';
  return new RerankError('too_many_candidates', `The documents make more than ${MOST_WINDOWS} windows. ${advice}`);
}
