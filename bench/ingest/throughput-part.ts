import { availableParallelism } from 'node:os';
import { RerankClient } from '@rerank-fleet/client';
import type { CorpusBody, DocumentBody } from '@rerank-fleet/core/contracts';
import { passageContent, type ResolvedModel } from '@rerank-fleet/core/domain';
import { DEFAULT_EMBEDDER, defaultCacheDirectory, resolveModel } from '@rerank-fleet/core/models';
import { splitSequences } from '@rerank-fleet/worker/pipeline/sequence-encoder';
import type { TokenSequence } from '@rerank-fleet/worker/pipeline/batch-runner';
import { TextPool } from '@rerank-fleet/worker/tokenization/text-pool';
import { chosen } from '../../test/support/environment.ts';
import { readDocuments } from '../support/beir-documents.ts';
import { cpuMs, ForeignLoad, isQuiet, verdict } from '../support/foreign-load.ts';
import { median, printTable } from '../support/report.ts';
import { findOpsPorts } from '../support/ops-ports.ts';
import { uploadDocuments } from '../support/upload-documents.ts';
import { withOwnStack } from '../support/with-stack.ts';
import { BareEmbedding } from './bare-embedding.ts';
import { sessionMs } from './session-time.ts';

/** A turn in which others took more of the cores is made again, up to so many times the rounds. */
const FOREIGN_SHARE = 0.05;
const PATIENCE = 2;
const GOAL = 0.9;
/** One takes less than a tenth of a second. */
const UNCHANGED_UPLOADS = 10;

export interface ThroughputOptions {
  readonly set: string;
  readonly documents: number;
  readonly rounds: number;
}

interface Turn {
  readonly ms: number;
  readonly cpuMs: number;
  readonly quiet: boolean;
  /** Share of the time in which the sessions ran the model; of ingests only. */
  readonly busy?: number;
}

/** Documents a second of an upload over REST, and of another of the same documents, ÷ what a bare embedding loop makes of the same passages. */
export async function measureThroughput({ set, documents: count, rounds }: ThroughputOptions): Promise<boolean> {
  const model = await resolveModel(DEFAULT_EMBEDDER, { cacheDirectory: defaultCacheDirectory(chosen('XDG_CACHE_HOME')) });
  const documents = (await readDocuments(set)).slice(0, count);
  const opsPort = await findOpsPorts(2);
  let met = false;
  await withOwnStack(
    async (stack) => {
      const client = new RerankClient({ baseUrl: stack.url });
      const { settings } = await client.putCorpus('settings');
      const sorted = await passagesOf(model, documents, settings);
      const tokens = sorted.reduce((sum, { ids }) => sum + ids.length, 0);
      console.log(
        `${documents.length} documents of ${set}, ${sorted.length} passages, ${(tokens / sorted.length).toFixed(0)} tokens on average; ${model.name} (${model.precision})\n`,
      );
      const bare = await BareEmbedding.choose(model.onnxPath, sorted);
      const pids = (): number[] => [...stack.pids().values()];
      const load = new ForeignLoad(pids);
      const stackCpuMs = (): number => pids().reduce((sum, pid) => sum + cpuMs(pid), 0);
      const busyMs = (): Promise<number> => sessionMs(opsPort, model.name);
      let corpus = 0;
      const name = (): string => `turn-${corpus}`;
      const ways: readonly Way[] = [
        {
          name: 'ingest',
          prepare: async () => {
            corpus += 1;
            await client.putCorpus(name());
          },
          run: async () => (await uploadDocuments(client, name(), documents)).ms,
          cpuMs: stackCpuMs,
          busyMs,
        },
        { name: 'unchanged', run: () => uploadUnchanged(client, name(), documents), repeats: UNCHANGED_UPLOADS, cpuMs: stackCpuMs },
        { name: bare.name, run: () => bare.run(sorted), cpuMs: () => cpuMs(process.pid) },
      ];
      // The first upload of a stack compiles and allocates.
      await client.putCorpus('warm-up');
      await uploadDocuments(client, 'warm-up', documents.slice(0, 64));
      const turns = await takeTurns(ways, load, rounds);
      met = report(documents.length, turns);
      await bare.stop();
    },
    {},
    { opsPort },
  );
  return met;
}

/** Longest first, as the version cuts and frames them. */
async function passagesOf(
  model: ResolvedModel,
  documents: readonly DocumentBody[],
  { chunking, bm25 }: CorpusBody['settings'],
): Promise<TokenSequence[]> {
  const texts = await TextPool.start({ models: [model], threads: 1 });
  const rules = {
    chunking: { mode: chunking.mode, maxTokens: chunking.max_tokens, overlapTokens: chunking.overlap_tokens },
    bm25: { k1: bm25.k1, b: bm25.b, averageLength: bm25.average_length, language: bm25.language, termHash: 'murmur3-32' as const },
  };
  const cuts = await texts.cutDocuments(model.sha256, documents, rules);
  const contents = documents.flatMap(({ title }, at) => cuts[at]!.passages.map(({ text }) => passageContent(title, text)));
  const encoded = await texts.encodeTexts(model.sha256, contents, model.passagePrefix ?? '');
  await texts.close();
  return splitSequences(encoded).sort((a, b) => b.ids.length - a.ids.length);
}

async function uploadUnchanged(client: RerankClient, corpus: string, documents: readonly DocumentBody[]): Promise<number> {
  const { ms, unchanged } = await uploadDocuments(client, corpus, documents);
  if (unchanged !== documents.length)
    throw new Error(`Of ${documents.length} documents that were there ${unchanged} were found unchanged.`);
  return ms;
}

interface Way {
  readonly name: string;
  readonly prepare?: () => Promise<void>;
  readonly run: () => Promise<number>;
  /** Runs of one turn. @defaultValue 1 */
  readonly repeats?: number;
  readonly cpuMs: () => number;
  readonly busyMs?: () => Promise<number>;
}

async function takeTurns(ways: readonly Way[], load: ForeignLoad, rounds: number): Promise<ReadonlyMap<string, readonly Turn[]>> {
  const turns = new Map(ways.map(({ name }) => [name, [] as Turn[]]));
  const isEnough = (): boolean => [...turns.values()].every((all) => all.filter(({ quiet }) => quiet).length >= rounds);
  for (let round = 0; round < rounds * PATIENCE && !isEnough(); round += 1) {
    for (const way of ways) turns.get(way.name)!.push(await takeTurn(way, load));
  }
  return turns;
}

async function takeTurn({ prepare, run, repeats = 1, cpuMs: spent, busyMs }: Way, load: ForeignLoad): Promise<Turn> {
  await prepare?.();
  const busyBefore = (await busyMs?.()) ?? 0;
  const cpuBefore = spent();
  load.begin();
  let ms = 0;
  for (let at = 0; at < repeats; at += 1) ms += await run();
  const turn = { ms: ms / repeats, cpuMs: (spent() - cpuBefore) / repeats, quiet: isQuiet(load.share(), FOREIGN_SHARE) };
  if (busyMs === undefined) return turn;
  return { ...turn, busy: ((await busyMs()) - busyBefore) / (ms * availableParallelism()) };
}

function report(documents: number, turns: ReadonlyMap<string, readonly Turn[]>): boolean {
  const wereQuiet = [...turns.values()].every((all) => all.some(({ quiet }) => quiet));
  const counted = [...turns].map(([name, all]) => ({ name, of: wereQuiet ? all.filter(({ quiet }) => quiet) : all, all }));
  const bare = counted.at(-1)!;
  const rate = ({ of }: (typeof counted)[number]): number => (documents * 1_000) / median(of.map(({ ms }) => ms));
  const cpu = ({ of }: (typeof counted)[number]): number => median(of.map((turn) => turn.cpuMs)) / documents;
  printTable(
    ['way', 'documents/s', '÷ bare', 'CPU ms a document', 'bare ÷ it', 'sessions busy', 'quiet turns'],
    counted.map((way) => [
      way.name,
      rate(way).toFixed(1),
      (rate(way) / rate(bare)).toFixed(3),
      cpu(way).toFixed(1),
      (cpu(bare) / cpu(way)).toFixed(3),
      way.of[0]?.busy === undefined ? '–' : `${(median(way.of.map(({ busy = 0 }) => busy)) * 100).toFixed(1)} %`,
      `${way.all.filter(({ quiet }) => quiet).length} of ${way.all.length}`,
    ]),
  );
  const ratio = rate(counted[0]!) / rate(bare);
  const outcome = verdict(ratio >= GOAL, wereQuiet);
  console.log(`\ningest ÷ bare embedding loop: ${ratio.toFixed(3)} (goal: at least ${GOAL}): ${outcome}\n`);
  return outcome === 'met';
}
