import { scopeSchema, SCOPES, type Scope } from '@rerank-fleet/core/contracts';
import { InvalidArgumentError, type Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { usageError } from '../exit-code.js';
import { given, parsePositiveInt } from './option-parsers.js';
import { parseTime } from './reindex.js';
import { renderKeys } from './render-operator.js';

interface CreateFlags {
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  readonly name?: string;
  readonly expiresIn?: number;
  readonly syncTokens?: number;
}

export function registerKeysCommand(admin: Command): void {
  const keys = admin.command('keys').description('list, make and revoke API keys');
  clientAction(keys.command('list').description('API keys of all tenants; never the keys themselves'), list);
  const making = keys
    .command('create')
    .description('make an API key; it is written to stdout this once, and nowhere kept')
    .requiredOption('--tenant <name>', 'whose it is')
    .requiredOption('--scopes <list>', `what it allows, separated by commas: ${SCOPES.join(', ')}`, parseScopes)
    .option('--name <text>', 'for people who read the list')
    .option('--expires-in <time>', 'after which it is worth nothing: 30m, 12h, 90d; default: never', parseTime)
    .option('--sync-tokens <count>', 'its calls are let in while those of the tenant have at most so many tokens', parsePositiveInt);
  clientAction(making, create);
  const revoking = keys.command('delete').description('revoke an API key').argument('<key>', 'id of the key, not the key itself');
  clientAction(revoking, remove);
}

function parseScopes(text: string): readonly Scope[] {
  const scopes = text.split(',').map((scope) => scopeSchema.safeParse(scope.trim()).data);
  if (scopes.some((scope) => scope === undefined)) throw new InvalidArgumentError(`It must be some of ${SCOPES.join(', ')}.`);
  return scopes.filter((scope) => scope !== undefined);
}

async function list({ client, terminal, signal }: CommandContext): Promise<void> {
  const found = await client.admin.listKeys({ signal });
  if (!found.keys_required) terminal.note('This service answers without a key, too: API_KEYS is not set.');
  for (const id of found.unreadable ?? [])
    terminal.note(`Key ${id} is damaged and opens nothing: \`rerank admin keys delete ${id}\`, and make another.`);
  terminal.result(found, () => (found.data.length === 0 ? 'There is no API key.' : renderKeys(found.data, terminal.columns)));
}

async function create({ client, terminal, signal }: CommandContext, flags: CreateFlags): Promise<void> {
  const made = await client.admin.createKey(
    {
      tenant: flags.tenant,
      scopes: [...flags.scopes],
      ...given({ name: flags.name, expires_in_s: flags.expiresIn, sync_tokens: flags.syncTokens }),
    },
    { signal },
  );
  terminal.note(`Key ${made.id} of ${made.tenant}, for ${made.scopes.join(', ')}. It is not shown again.`);
  terminal.result(made, () => made.key);
}

async function remove({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  // A key is no id, and must not come to stand in a log of paths.
  if (id.startsWith('rf_')) throw usageError('That is a key; give its id, as `rerank admin keys list` shows it.');
  await client.admin.deleteKey(id, { signal });
  terminal.result({ key: id, deleted: true }, () => `Key ${id} opens nothing any more.`);
}
