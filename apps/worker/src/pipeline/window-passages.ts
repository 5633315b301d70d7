import type { Passage } from '@rerank-fleet/core/domain';
import { RerankError } from '@rerank-fleet/core/errors';
import type { TextSpan } from '@rerank-fleet/core/ports';
import type { EncodedPairs, EncodePairsRequest, SequenceEncoder } from './sequence-encoder.js';

/** Cuts a text into windows of whole sentences; see `chunkText`. */
export type CutWindows = (
  text: string,
  limits: { readonly maxTokens: number; readonly overlapTokens: number },
  countTokens: (texts: readonly string[]) => Promise<readonly number[]>,
) => Promise<readonly Passage[]>;

/** A stretch of a passage that is scored as a pair of its own. */
export interface PassageWindow {
  /** Position among the request's passages. */
  readonly passage: number;
  readonly text: string;
  readonly span: TextSpan;
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

export interface WindowOptions {
  readonly model: string;
  readonly encoder: SequenceEncoder;
  readonly cutWindows: CutWindows;
}

/**
 * Windows of the passages that did not fit. `encoded` is the request as it was framed with `truncate`.
 *
 * @throws RerankError `too_many_candidates` beyond 10,000 windows
 */
export async function windowPassages(
  options: WindowOptions,
  request: EncodePairsRequest,
  encoded: EncodedPairs,
): Promise<WindowedPassages> {
  const { model, encoder, cutWindows } = options;
  const countTokens = async (texts: readonly string[]): Promise<readonly number[]> => Array.from(await encoder.countTokens(model, texts));
  const limits = { maxTokens: encoded.room, overlapTokens: Math.floor(encoded.room * OVERLAP) };
  const mostWindows = Math.max(
    1,
    Math.ceil(((request.maxPassageTokens ?? Infinity) - limits.overlapTokens) / (limits.maxTokens - limits.overlapTokens)),
  );
  const windows: PassageWindow[] = [];
  const cut = new Set<number>();
  for (const [passage, text] of request.passages.entries()) {
    if (encoded.truncated[passage] !== 1) continue;
    const parts = await cutWindows(text, limits, countTokens);
    if (parts.length > mostWindows) cut.add(passage);
    if (windows.length + Math.min(parts.length, mostWindows) > MOST_WINDOWS) throw tooManyWindows();
    windows.push(...parts.slice(0, mostWindows).map(({ start, end, text: part }) => ({ passage, text: part, span: { start, end } })));
  }
  return { windows, cut };
}

function tooManyWindows(): RerankError {
  const advice = 'Send fewer or shorter documents, bound them by max_tokens_per_doc, or send long_document "truncate".';
  return new RerankError('too_many_candidates', `The documents make more than ${MOST_WINDOWS} windows. ${advice}`);
}
