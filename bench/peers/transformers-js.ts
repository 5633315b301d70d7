/** `@huggingface/transformers` as a peer: `transformers-js.ts PACKAGE_FOLDER MODEL_FOLDER`, told what to do over standard input, like the peers in Python. */
import { createRequire } from 'node:module';
import { basename, dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import type { PeerRequest, Setting, TextList } from './peer-process.ts';

interface Tensor {
  readonly data: Float32Array;
}
type Tokenizer = (texts: string[], options: { text_pair: string[]; padding: boolean; truncation: boolean }) => unknown;
type Model = (inputs: unknown) => Promise<{ readonly logits: Tensor }>;
interface Pretrained<T> {
  from_pretrained(name: string, options?: { dtype: string }): Promise<T>;
}
/** What is used here of a package that is no dependency of ours. */
interface TransformersJs {
  readonly env: { allowRemoteModels: boolean; allowLocalModels: boolean; localModelPath: string; readonly version: string };
  readonly AutoTokenizer: Pretrained<Tokenizer>;
  readonly AutoModelForSequenceClassification: Pretrained<Model>;
}

const [packageFolder, modelFolder] = process.argv.slice(2) as [string, string];
const entry = createRequire(`${packageFolder}/`).resolve('@huggingface/transformers');
const library = (await import(pathToFileURL(entry).href)) as TransformersJs;
library.env.allowRemoteModels = false;
library.env.allowLocalModels = true;
library.env.localModelPath = dirname(modelFolder);
const tokenizer = await library.AutoTokenizer.from_pretrained(basename(modelFolder));
const model = await library.AutoModelForSequenceClassification.from_pretrained(basename(modelFolder), { dtype: 'q8' });

interface Place {
  readonly list: number;
  readonly position: number;
  readonly query: string;
  readonly text: string;
}

function placesOf(lists: readonly TextList[]): Place[] {
  return lists.flatMap(({ query, documents }, list) => documents.map((text, position) => ({ list, position, query, text })));
}

/** The library has no batches of its own: without one, a query's candidates go in all at once. */
function batchesOf(lists: readonly TextList[], { batch, sorted }: Setting): Place[][] {
  const runs = sorted
    ? [placesOf(lists).sort((a, b) => a.query.length + a.text.length - (b.query.length + b.text.length))]
    : lists.map((list, position) => placesOf([list]).map((place) => ({ ...place, list: position })));
  return runs.flatMap((run) => {
    const size = batch ?? run.length;
    return Array.from({ length: Math.ceil(run.length / size) }, (_, index) => run.slice(index * size, (index + 1) * size));
  });
}

async function score(lists: readonly TextList[], setting: Setting): Promise<number[][]> {
  const scores = lists.map(({ documents }) => documents.map(() => Number.NaN));
  for (const batch of batchesOf(lists, setting)) {
    const inputs = tokenizer(
      batch.map(({ query }) => query),
      { text_pair: batch.map(({ text }) => text), padding: true, truncation: true },
    );
    const { logits } = await model(inputs);
    batch.forEach(({ list, position }, index) => (scores[list]![position] = logits.data[index]!));
  }
  return scores;
}

const reply = (message: object): void => void process.stdout.write(`${JSON.stringify(message)}\n`);

reply({ version: library.env.version, scale: 'logit' });
let lists: readonly TextList[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as PeerRequest;
  if ('lists' in request) {
    lists = request.lists;
    reply({});
    continue;
  }
  const started = performance.now();
  try {
    const scores = await score(lists.slice(0, request.queries), request.setting);
    reply({ seconds: (performance.now() - started) / 1_000, scores });
  } catch (error) {
    reply({ error: String(error) });
  }
}
