import type { CorpusBody, CorpusSettingsParameters } from '@rerank-fleet/client';
import { indexOptionsSchema } from '@rerank-fleet/core/contracts';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { given, parseJsonObject, parseNonNegativeInt, parsePositiveInt } from './option-parsers.js';

type IndexSettings = Pick<CorpusSettingsParameters, 'embedding_model' | 'chunking' | 'bm25' | 'index'>;

/** Flags of what decides what is in an index. */
export interface IndexFlags {
  readonly embeddingModel?: string;
  readonly chunking?: 'none' | 'sentences';
  readonly maxTokens?: number;
  readonly overlapTokens?: number;
  readonly language?: string;
  readonly index?: NonNullable<IndexSettings['index']>;
}

export function addIndexOptions(command: Command, modelDefault: string): Command {
  return command
    .option('--embedding-model <name>', `embedder; default: ${modelDefault}`)
    .addOption(new Option('--chunking <mode>', 'how documents are cut into passages').choices(['none', 'sentences']))
    .option('--max-tokens <count>', 'longest passage', parsePositiveInt)
    .option('--overlap-tokens <count>', 'tokens that neighbouring passages share, at most', parseNonNegativeInt)
    .option('--language <name>', 'language of stemmer and stop words')
    .option('--index <json>', 'how the index is built on Qdrant: hnsw, quantization, on_disk, shards, replicas', parseIndexOptions);
}

/** What was given, over the settings that there are: of a group of settings that is sent, the service fills what is left out with its defaults. */
export function indexSettingsOf(flags: IndexFlags, current?: CorpusBody['settings']): IndexSettings {
  const chunking = given({ mode: flags.chunking, max_tokens: flags.maxTokens, overlap_tokens: flags.overlapTokens });
  const before = current === undefined ? {} : { ...current.chunking, ...fittingOverlap(flags, current.chunking.overlap_tokens) };
  return {
    ...given({ embedding_model: flags.embeddingModel, index: flags.index }),
    ...(Object.keys(chunking).length === 0 ? {} : { chunking: { ...before, ...chunking } }),
    ...(flags.language === undefined ? {} : { bm25: { ...current?.bm25, language: flags.language } }),
  };
}

/** Whether the flags are to be laid over the settings that there are. */
export function needsCurrentSettings(flags: IndexFlags): boolean {
  return [flags.chunking, flags.maxTokens, flags.overlapTokens, flags.language].some((flag) => flag !== undefined);
}

/** Shorter passages share less, unless it is said how much. */
function fittingOverlap({ maxTokens }: IndexFlags, overlap: number): { readonly overlap_tokens?: number } {
  return maxTokens === undefined ? {} : { overlap_tokens: Math.min(overlap, Math.floor(maxTokens / 2)) };
}

function parseIndexOptions(text: string): NonNullable<IndexSettings['index']> {
  const parsed = indexOptionsSchema.safeParse(parseJsonObject(text));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new InvalidArgumentError(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'It is not valid'}.`);
}
