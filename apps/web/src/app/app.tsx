import { RerankClient } from '@rerank-fleet/client';
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { CorporaPage } from '../corpora/corpora-page.js';
import { CorpusPage } from '../corpora/corpus-page.js';
import { FleetPage } from '../fleet/fleet-page.js';
import { JobPage } from '../jobs/job-page.js';
import { JobsPage } from '../jobs/jobs-page.js';
import { PlaygroundPage } from '../playground/playground-page.js';
import { KeyDialog } from './key-dialog.js';
import { linkTo, type Route } from './route.js';
import { needsKey, ServiceProvider, serviceUrl, storedKey, storeKey, type Service } from './service.js';
import { useRoute } from './use-route.js';

const PAGES = [
  { name: 'playground', title: 'Playground' },
  { name: 'jobs', title: 'Jobs' },
  { name: 'corpora', title: 'Corpora' },
  { name: 'fleet', title: 'Fleet' },
] as const;

export function App(): JSX.Element {
  const route = useRoute();
  const [key, setKey] = useState(storedKey);
  const [asking, setAsking] = useState(false);
  const url = serviceUrl();
  const client = useMemo(() => new RerankClient({ baseUrl: url, apiKey: key }), [url, key]);
  const service: Service = { client, url, hasKey: key !== undefined, askForKey: () => setAsking(true) };
  const page = PAGES.find(({ name }) => name === (route.path[0] ?? 'playground'));
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const stop = new AbortController();
    if (key === undefined) void needsKey(client, stop.signal).then((needed) => needed && !stop.signal.aborted && setAsking(true));
    return () => stop.abort();
  }, [client]);
  useEffect(() => {
    document.title = `${page?.title ?? 'Not found'} · rerank-fleet`;
  }, [page]);
  const skip = (event: Event): void => {
    event.preventDefault();
    main.current?.focus();
  };
  const useKey = (given: string | undefined): void => {
    storeKey(given);
    setKey(given);
    setAsking(false);
  };
  return (
    <ServiceProvider value={service}>
      <a class="skip" href="#main" onClick={skip}>
        Skip to the page
      </a>
      <Header current={page?.name} service={service} />
      {/* Another key is another reader: nothing that the one before saw stays. */}
      <main id="main" ref={main} tabIndex={-1} key={key ?? ''}>
        {page === undefined ? <NotFound /> : <Page route={route} />}
      </main>
      <KeyDialog open={asking} storedKey={key} onUse={useKey} onClose={() => setAsking(false)} />
    </ServiceProvider>
  );
}

function Header({ current, service }: { current: string | undefined; service: Service }): JSX.Element {
  return (
    <header class="top">
      <a class="brand" href={linkTo([])}>
        <img src={new URL('../icon.svg', import.meta.url).href} alt="" width="24" height="24" />
        rerank-fleet
      </a>
      <nav aria-label="Pages">
        {PAGES.map(({ name, title }) => (
          <a key={name} href={linkTo([name])} aria-current={name === current ? 'page' : undefined}>
            {title}
          </a>
        ))}
      </nav>
      <span class="spring" />
      <a class="quiet" href={`${service.url}/docs`}>
        API
      </a>
      <button type="button" class="small" onClick={service.askForKey}>
        {service.hasKey ? 'Key is set' : 'API key'}
      </button>
    </header>
  );
}

function Page({ route: { path, query } }: { route: Route }): JSX.Element {
  const [page = 'playground', second] = path;
  switch (page) {
    case 'jobs':
      return second === undefined ? <JobsPage query={query} /> : <JobPage key={second} id={second} />;
    case 'corpora':
      return second === undefined ? <CorporaPage /> : <CorpusPage key={second} name={second} />;
    case 'fleet':
      return <FleetPage />;
    default:
      return <PlaygroundPage mode={second === 'search' ? 'search' : 'rerank'} query={query} />;
  }
}

function NotFound(): JSX.Element {
  return (
    <section class="card">
      <h1>There is no such page</h1>
      <p>
        Go to the <a href={linkTo(['playground'])}>playground</a>.
      </p>
    </section>
  );
}
