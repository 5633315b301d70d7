import type { RerankResponse, SearchResponse } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { linkTo } from '../app/route.js';
import { useService, type Service } from '../app/service.js';
import { useAction } from '../app/use-action.js';
import { useCall } from '../app/use-call.js';
import { Form } from '../ui/form.js';
import { ProblemNotice } from '../ui/problem-notice.js';
import {
  EMPTY_RERANK,
  EMPTY_SEARCH,
  firstStageOf,
  FormError,
  rerankRequest,
  searchRequest,
  type RerankValues,
  type SearchValues,
} from './form-values.js';
import { rankingOfRerank, rankingOfSearch, type Ranking } from './ranking.js';
import { RerankForm } from './rerank-form.js';
import type { Asked } from './request-snippets.js';
import { Results } from './results.js';
import { SearchForm } from './search-form.js';
import { Snippets } from './snippets.js';

export interface PlaygroundPageProps {
  readonly mode: 'rerank' | 'search';
  /** Fills the form: `corpus`, `query`. */
  readonly query: Readonly<Record<string, string>>;
}

interface Outcome {
  readonly kind: 'rerank' | 'search';
  readonly ranking: Ranking;
  readonly answer: RerankResponse | SearchResponse;
  readonly roundTripMs: number;
}

export function PlaygroundPage({ mode, query }: PlaygroundPageProps): JSX.Element {
  const service = useService();
  const { client } = service;
  const models = useCall((signal) => client.listModels({ signal }), []);
  const corpora = useCall((signal) => client.listCorpora({ signal }), []);
  const [rerank, setRerank] = useState(EMPTY_RERANK);
  const [search, setSearch] = useState(EMPTY_SEARCH);
  useEffect(() => {
    if (query['query'] !== undefined || query['corpus'] !== undefined) {
      const { query: asked = '', corpus = '' } = query;
      setRerank((before) => ({ ...before, query: asked }));
      setSearch((before) => ({ ...before, query: asked, corpus }));
    }
  }, [query['query'], query['corpus']]);
  const [outcome, setOutcome] = useState<Outcome | undefined>(undefined);
  const only = corpora.value?.length === 1 ? corpora.value[0]?.name : undefined;
  const searched = search.corpus === '' && only !== undefined ? { ...search, corpus: only } : search;
  const asking = useAction(async (signal) => {
    setOutcome(undefined);
    setOutcome(mode === 'rerank' ? await runRerank(service, rerank, signal) : await runSearch(service, searched, signal));
  });
  const submit = (): void => asking.run();
  const known = { models: models.value ?? [], onSubmit: submit };
  return (
    <>
      <h1 class="unseen">Playground</h1>
      <div class="tabs">
        <a href={linkTo(['playground'])} aria-current={mode === 'rerank' ? 'true' : undefined}>
          Rerank documents
        </a>
        <a href={linkTo(['playground', 'search'])} aria-current={mode === 'search' ? 'true' : undefined}>
          Search a corpus
        </a>
      </div>
      <Form class="card" onSubmit={submit}>
        {mode === 'rerank' ? (
          <RerankForm {...known} values={rerank} onChange={(change) => setRerank((before) => ({ ...before, ...change }))} />
        ) : (
          <SearchForm
            {...known}
            values={searched}
            corpora={corpora.value ?? []}
            onChange={(change) => setSearch((before) => ({ ...before, ...change }))}
          />
        )}
        <div class="row">
          <button type="submit" class="primary" disabled={asking.busy}>
            {mode === 'rerank' ? 'Rerank' : 'Search'}
          </button>
          {asking.busy && (
            <button type="button" onClick={asking.stop}>
              Stop
            </button>
          )}
          <span class="hint keys">Ctrl + Enter</span>
        </div>
        <RequestCode {...(mode === 'rerank' ? { mode, values: rerank } : { mode, values: searched })} service={service} />
      </Form>
      <div aria-live="polite">
        {asking.busy && <p class="busy">Asking …</p>}
        <ProblemNotice error={asking.error} />
      </div>
      {outcome?.kind === mode && <Results {...outcome} />}
    </>
  );
}

type RequestCodeProps = { readonly service: Service } & (
  { readonly mode: 'rerank'; readonly values: RerankValues } | { readonly mode: 'search'; readonly values: SearchValues }
);

/** Nothing where the form cannot be sent yet. */
function RequestCode({ service: { url, hasKey }, ...form }: RequestCodeProps): JSX.Element | null {
  let asked: Asked;
  try {
    const body = form.mode === 'rerank' ? rerankRequest(form.values) : searchRequest(form.values);
    asked = { kind: form.mode, url, hasKey, body };
  } catch (error) {
    if (error instanceof FormError) return null;
    throw error;
  }
  return <Snippets asked={asked} />;
}

async function runRerank({ client }: Service, values: RerankValues, signal: AbortSignal): Promise<Outcome> {
  const request = rerankRequest(values);
  const startedAt = performance.now();
  const answer = await client.rerank(request, { signal });
  return { kind: 'rerank', answer, roundTripMs: performance.now() - startedAt, ranking: rankingOfRerank(request.documents, answer) };
}

/** Both orders of the same search, so that what reranking threw out is seen as well. */
async function runSearch({ client }: Service, values: SearchValues, signal: AbortSignal): Promise<Outcome> {
  const request = searchRequest(values);
  const startedAt = performance.now();
  const asked = client.search(request, { signal }).then((answer) => ({ answer, roundTripMs: performance.now() - startedAt }));
  const [{ answer, roundTripMs }, firstStage] = await Promise.all([
    asked,
    values.rerank ? client.search(firstStageOf(request), { signal }) : undefined,
  ]);
  return { kind: 'search', answer, roundTripMs, ranking: rankingOfSearch(answer, firstStage) };
}
