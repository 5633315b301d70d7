import type { Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { renderWhoami } from './render-operator.js';

export function registerWhoamiCommand(program: Command): void {
  clientAction(program.command('whoami').description('the tenant of your API key, and what the key allows'), whoami);
}

async function whoami({ client, terminal, signal }: CommandContext): Promise<void> {
  const found = await client.whoami({ signal });
  terminal.result(found, () => renderWhoami(found));
}
