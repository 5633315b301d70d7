import type { RerankResponse, SearchResponse } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { decimal, whole } from '../format/numbers.js';

export interface AnswerFactsProps {
  readonly answer: RerankResponse | SearchResponse;
  /** From the click to the answer, in milliseconds. */
  readonly roundTripMs: number;
}

const STEPS = ['queue', 'retrieve', 'tokenize', 'score'] as const;

export function AnswerFacts({ answer, roundTripMs }: AnswerFactsProps): JSX.Element {
  const { usage, timings_ms: timings, effort, model, id } = answer;
  return (
    <div class="facts">
      <dl>
        {model !== undefined && <Fact name="model" value={model} />}
        {'corpus' in answer && <Fact name="corpus" value={`${answer.corpus}, version ${answer.version}`} />}
        <Fact name="results" value={whole(answer.results.length)} />
        <Fact name="tokens" value={whole(usage.total_tokens)} />
        {timings !== undefined && <Fact name="service" value={`${decimal(timings.total, 0)} ms`} />}
        <Fact name="here" value={`${decimal(roundTripMs, 0)} ms`} />
        {effort !== undefined && <Fact name="effort" value={effortText(effort)} />}
        <Fact name="id" value={id} />
      </dl>
      {timings !== undefined && <Timings timings={timings} />}
      {(answer.truncated?.length ?? 0) > 0 && (
        <p class="notice mild">
          {whole(answer.truncated?.length)} of these texts did not fit the model’s window and were cut. Choose “chunk” for long documents to
          score all of them.
        </p>
      )}
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function effortText({ asked, stages }: NonNullable<RerankResponse['effort']>): string {
  const ran = stages.map((stage) => (stage.reason === undefined ? stage.ran : `${stage.ran} (${stage.reason.replaceAll('_', ' ')})`));
  return ran.every((each) => each === asked) ? asked : `${asked} asked, ${ran.join(', ')} ran`;
}

function Timings({ timings }: { timings: NonNullable<RerankResponse['timings_ms']> }): JSX.Element {
  const steps = STEPS.flatMap((name) => (timings[name] === undefined ? [] : [{ name, ms: timings[name] }]));
  const sum = Math.max(
    1,
    steps.reduce((total, { ms }) => total + ms, 0),
  );
  return (
    <div class="timings">
      <div class="stack" aria-hidden="true">
        {steps.map(({ name, ms }) => (
          <span key={name} class={name} style={{ width: `${(ms / sum) * 100}%` }} />
        ))}
      </div>
      <ul>
        {steps.map(({ name, ms }) => (
          <li key={name} class={name}>
            {name} {decimal(ms, ms < 10 ? 1 : 0)} ms
          </li>
        ))}
      </ul>
    </div>
  );
}
