import type { Stage } from '@rerank-fleet/core/domain';
import { Option, type Command } from 'commander';
import { collectStage, given, parseNumber, parsePositiveInt } from './option-parsers.js';

export interface ScoringFlags {
  readonly model?: string;
  readonly stage?: readonly Stage[];
  readonly topN?: number;
  readonly minScore?: number;
  readonly rawScores?: true;
  readonly deterministic?: true;
  readonly effort?: 'full' | 'balanced' | 'fast';
  readonly longDocument?: 'truncate' | 'chunk' | 'error';
  readonly timeout?: number;
}

/** The options that choose how pairs are scored; the same on every command that scores. */
export function addScoringOptions(command: Command): Command {
  return command
    .option('-m, --model <name>', 'reranker; default: the first of the default pool')
    .addOption(
      new Option('--stage <model:keep>', 'a stage of a cascade, light models first; repeat it; the last needs no keep')
        .argParser(collectStage)
        .conflicts('model'),
    )
    .option('-n, --top-n <count>', 'results to return', parsePositiveInt)
    .option('--min-score <score>', 'leave out results with a lower score', parseNumber)
    .option('--raw-scores', 'scores are logits, not their sigmoid')
    .option('--deterministic', 'score one pair a run: the same score whatever else is scored')
    .addOption(new Option('--effort <how>', 'how much of the model is run').choices(['full', 'balanced', 'fast']))
    .addOption(new Option('--long-document <how>', 'what to do with a document that does not fit').choices(['truncate', 'chunk', 'error']))
    .option('--timeout <ms>', 'deadline in milliseconds, cut to what the service allows', parsePositiveInt);
}

export function scoringFieldsOf(flags: ScoringFlags) {
  return given({
    model: flags.model,
    stages: flags.stage === undefined ? undefined : [...flags.stage],
    top_n: flags.topN,
    min_score: flags.minScore,
    raw_scores: flags.rawScores,
    deterministic: flags.deterministic,
    effort: flags.effort,
    long_document: flags.longDocument,
    timeout_ms: flags.timeout,
  });
}
