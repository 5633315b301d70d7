import type { JobOptionsParameters } from '@rerank-fleet/client';
import { loadSecret } from '@rerank-fleet/core/config';
import { usageError } from '../exit-code.js';
import { given } from '../commands/option-parsers.js';
import type { RunFlags } from './run-state.js';

/** Options of a job: those of the file's first line, and over them those of the command line. @throws CliError */
export function jobOptionsOf(flags: RunFlags, ofFile: JobOptionsParameters): JobOptionsParameters {
  const defaults = { ...ofFile.defaults, ...given({ corpus: flags.corpus, top_k: flags.topK, top_n: flags.topN, model: flags.model }) };
  return {
    ...ofFile,
    ...given({ priority: flags.priority, expires_in_s: flags.expiresIn, strict: flags.strict, webhook: webhookOf(flags) }),
    ...(Object.keys(defaults).length === 0 ? {} : { defaults }),
  };
}

function webhookOf({ webhook, webhookSecretEnv }: RunFlags): JobOptionsParameters['webhook'] {
  if (webhook === undefined && webhookSecretEnv === undefined) return undefined;
  if (webhook === undefined || webhookSecretEnv === undefined)
    throw usageError('A webhook needs both, --webhook with its address and --webhook-secret-env with the name of a variable.');
  const secret = loadSecret(webhookSecretEnv);
  if (secret === undefined) throw usageError(`The variable ${webhookSecretEnv}, which --webhook-secret-env names, is not set.`);
  return { url: webhook, secret };
}
