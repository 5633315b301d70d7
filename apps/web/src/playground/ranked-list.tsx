import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { decimal, score, whole } from '../format/numbers.js';
import { highlight } from './highlight.js';
import type { Move, Ranked } from './ranking.js';

export interface RankedListProps {
  readonly title: string;
  readonly note: string;
  readonly entries: readonly Ranked[];
  readonly moves: ReadonlyMap<string, Move>;
  /** Show how far entries moved; else only which of them left. */
  readonly isAfter: boolean;
  /** The entry that is pointed at, in either list. */
  readonly pointed: string | undefined;
  readonly onPoint: (key: string | undefined) => void;
}

export function RankedList({ title, note, entries, moves, isAfter, pointed, onPoint }: RankedListProps): JSX.Element {
  return (
    <section class="ranked">
      <h3>
        {title} <span class="hint">{note}</span>
      </h3>
      <ol>
        {entries.map((entry) => {
          const move = moves.get(entry.key);
          return (
            <li
              key={entry.key}
              class={[pointed === entry.key ? 'pointed' : '', !isAfter && move?.kind === 'gone' ? 'gone' : ''].join(' ')}
              onMouseEnter={() => onPoint(entry.key)}
              onMouseLeave={() => onPoint(undefined)}
            >
              <div class="place">
                <span class="rank">{entry.rank}</span>
                {isAfter ? <MoveChip move={move} /> : move?.kind === 'gone' && <span class="move down">out</span>}
              </div>
              <Entry entry={entry} />
            </li>
          );
        })}
      </ol>
    </section>
  );
}

function MoveChip({ move }: { move: Move | undefined }): JSX.Element | null {
  if (move === undefined) return null;
  if (move.kind !== 'moved') return <span class="move up">new</span>;
  if (move.by === 0)
    return (
      <span class="move" aria-label="unmoved">
        =
      </span>
    );
  const [way, arrow] = move.by > 0 ? (['up', '▲'] as const) : (['down', '▼'] as const);
  return (
    <span class={`move ${way}`} aria-label={`${way} ${Math.abs(move.by)}`}>
      {arrow} {Math.abs(move.by)}
    </span>
  );
}

function Entry({ entry }: { entry: Ranked }): JSX.Element {
  const { title, relevance, logit, firstScore, tokens, truncated, metadata, stages } = entry;
  return (
    <div class="entry">
      {relevance !== undefined && (
        <div class="scores">
          <span class="bar" aria-hidden="true">
            <span style={{ width: `${Math.max(0, Math.min(1, relevance)) * 100}%` }} />
          </span>
          <strong title={String(relevance)}>{score(relevance)}</strong>
          {logit !== undefined && <span title="logit: what the model gave">logit {decimal(logit, 2)}</span>}
          {firstScore !== undefined && <span title="score of the first stage">first {decimal(firstScore, 3)}</span>}
          {tokens !== undefined && <span>{whole(tokens)} tokens</span>}
          {truncated === true && <span class="move down">cut</span>}
        </div>
      )}
      {relevance === undefined && firstScore !== undefined && (
        <div class="scores">
          <span title="score of the first stage">first {decimal(firstScore, 3)}</span>
        </div>
      )}
      {title !== undefined && <h4>{title}</h4>}
      <Text entry={entry} />
      {metadata !== undefined && <code class="metadata">{metadata}</code>}
      {stages !== undefined && stages.length > 1 && (
        <p class="fine">
          {stages.map(({ model, rank, logit: stageLogit, exit_layer: layer }) => (
            <span key={model}>
              {model}: rank {rank}, logit {decimal(stageLogit, 2)}
              {layer === undefined ? '' : `, left after layer ${layer}`}.{' '}
            </span>
          ))}
        </p>
      )}
    </div>
  );
}

/** Longer texts are folded. */
const SHORT = 320;

function Text({ entry: { text, span } }: { entry: Ranked }): JSX.Element | null {
  const [open, setOpen] = useState(false);
  if (text === undefined) return null;
  const { before, marked, after } = highlight(text, span);
  const isLong = text.length > SHORT;
  // What won is looked for first, so a long beginning gives way to it.
  const lead = isLong && !open && marked !== '' && before.length > 120 ? `… ${before.slice(-80)}` : before;
  return (
    <>
      <p class={isLong && !open ? 'text folded' : 'text'}>
        {lead}
        {marked !== '' && <mark title="the window that the score is of">{marked}</mark>}
        {after}
      </p>
      {isLong && (
        <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? 'Less' : 'All of it'}
        </button>
      )}
    </>
  );
}
