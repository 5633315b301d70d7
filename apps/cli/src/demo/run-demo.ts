import type { RerankClient, SearchParameters } from '@rerank-fleet/client';
import { renderComparison } from '../commands/render-comparison.js';
import { plural } from '../terminal/progress.js';
import { Terminal, type OutputStream } from '../terminal/terminal.js';
import { loadSamples, readSamples } from './sample-corpus.js';

export interface DemoOptions {
  readonly client: RerankClient;
  /** Name of the corpus, and of its file in `samplesDir`. */
  readonly corpus: string;
  /** Folder that holds `<corpus>.jsonl` and `queries.json`; the first query is shown. */
  readonly samplesDir: string;
  readonly out: OutputStream;
  readonly signal?: AbortSignal | undefined;
  /** Colours on a terminal. @defaultValue true */
  readonly color?: boolean | undefined;
}

const SHOWN = 7;
const TOP_K = 20;

/** Loads the sample corpus unless it is there, and shows one search before and after reranking, with the call that gives it. */
export async function runDemo({ client, corpus, samplesDir, out, signal, color = true }: DemoOptions): Promise<void> {
  const { colors, columns } = new Terminal({ json: false, quiet: false, color }, out);
  const { documents, headline } = await readSamples(samplesDir, corpus);
  const startedAt = performance.now();
  const loaded = await loadSamples(client, corpus, documents, signal);
  if (loaded > 0) {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
    out.write(`Sample corpus ${corpus}: ${plural(loaded, 'document')} stored in ${seconds} s.\n`);
  }
  const request: SearchParameters = { corpus, query: headline, top_k: TOP_K, top_n: SHOWN };
  const before = await client.search({ ...request, rerank: false }, { signal });
  const after = await client.search(request, { signal });
  const lines = [
    '',
    `Search for ${colors.bold(`"${headline}"`)} among ${plural(documents.length, 'document')}, before and after reranking:`,
    '',
    renderComparison(before, after, { colors, columns }),
    '',
    colors.dim(`reranked by ${after.model ?? ''} in ${after.timings_ms.total.toFixed(0)} ms; the same search from a shell:`),
    curlLine(client.baseUrl, request),
    '',
    `Web pages ${client.baseUrl}/`,
    `API docs  ${client.baseUrl}/docs`,
    `Search    ${client.baseUrl}/v1/search`,
    '',
  ];
  out.write(`${lines.join('\n')}\n`);
}

/** The call in a form that every POSIX shell takes. */
export function curlLine(baseUrl: string, request: SearchParameters): string {
  return `curl -s ${quote(`${baseUrl}/v1/search`)} -H 'content-type: application/json' -d ${quote(JSON.stringify(request))}`;
}

function quote(text: string): string {
  return /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
