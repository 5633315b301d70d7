import type { RerankResponse, SearchResponse } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { whole } from '../format/numbers.js';
import { AnswerFacts } from './answer-facts.js';
import { RankedList } from './ranked-list.js';
import { movesOf, type Ranking } from './ranking.js';

export interface ResultsProps {
  readonly kind: 'rerank' | 'search';
  readonly ranking: Ranking;
  readonly answer: RerankResponse | SearchResponse;
  readonly roundTripMs: number;
}

/** Both orders side by side; pointing at an entry shows where it is in the other. */
export function Results({ kind, ranking, answer, roundTripMs }: ResultsProps): JSX.Element {
  const [pointed, setPointed] = useState<string | undefined>(undefined);
  const moves = useMemo(() => movesOf(ranking), [ranking]);
  const lists = { moves, pointed, onPoint: setPointed };
  const { before, after } = ranking;
  return (
    <section class="card results" aria-label="Results">
      <p class="unseen" role="status">
        {after.length === 0 ? 'Nothing found.' : `${whole(after.length)} results.`}
      </p>
      <AnswerFacts answer={answer} roundTripMs={roundTripMs} />
      {after.length === 0 && (before?.length ?? 0) === 0 ? (
        <p>Nothing found.</p>
      ) : (
        <div class={before === undefined ? 'lists one' : 'lists'}>
          {before !== undefined && (
            <RankedList
              title="Before"
              note={kind === 'rerank' ? 'as they were pasted' : 'first stage'}
              entries={before}
              isAfter={false}
              {...lists}
            />
          )}
          <RankedList
            title={before === undefined ? 'First stage' : 'After'}
            note={before === undefined ? 'not reranked' : 'reranked'}
            entries={after}
            isAfter
            {...lists}
          />
        </div>
      )}
    </section>
  );
}
