import type { QueueBody } from '@rerank-fleet/client';
import type { Command } from 'commander';
import { clientAction, type CommandContext } from '../client-command.js';
import { formatCount, plural } from '../terminal/progress.js';
import { registerKeysCommand } from './admin-keys.js';
import { given, parsePositiveInt } from './option-parsers.js';
import { renderDeadLetters, renderQueues } from './render-operator.js';

export function registerAdminCommand(program: Command): void {
  const admin = program.command('admin').description('queues, dead letters and API keys of the fleet, for operators');
  const ofQueue = (name: string, description: string): Command =>
    admin.command(name).description(description).argument('<queue>', 'name of a queue');
  clientAction(admin.command('queues').description('what waits in each queue, and what is paused'), queues);
  clientAction(ofQueue('pause', 'let workers take nothing more from a queue; what they have in hand goes on'), pause);
  clientAction(ofQueue('resume', 'let workers take from a queue again'), resume);
  clientAction(ofQueue('drain', 'take out what waits in a queue of calls, or in that of uploads while it is paused'), drain);
  registerDeadLetters(admin);
  registerKeysCommand(admin);
}

function registerDeadLetters(admin: Command): void {
  const letters = admin.command('dead-letters').description('list, retry and delete tasks that will not be tried again');
  const byId = (name: string, description: string): Command =>
    letters.command(name).description(description).argument('<letter>', 'id of a dead letter');
  const listing = letters
    .command('list')
    .description('dead letters, newest first')
    .option('--queue <name>', 'of this queue only')
    .option('--limit <count>', 'most of them', parsePositiveInt, 100);
  clientAction(listing, listLetters);
  clientAction(byId('retry', 'have done again what a dead letter was of'), retryLetter);
  clientAction(byId('delete', 'forget a dead letter'), deleteLetter);
}

async function queues({ client, terminal, signal }: CommandContext): Promise<void> {
  const found = await client.admin.listQueues({ signal });
  terminal.result(found, () => renderQueues(found, terminal.columns));
}

async function pause({ client, terminal, signal }: CommandContext, name: string): Promise<void> {
  const queue = await client.admin.pauseQueue(name, { signal });
  terminal.result(queue, () => `${name} is paused: ${describe(queue)}. \`rerank admin resume ${name}\` goes on.`);
}

async function resume({ client, terminal, signal }: CommandContext, name: string): Promise<void> {
  const queue = await client.admin.resumeQueue(name, { signal });
  terminal.result(queue, () => `${name} goes on: ${describe(queue)}.`);
}

async function drain({ client, terminal, signal }: CommandContext, name: string): Promise<void> {
  const queue = await client.admin.drainQueue(name, { signal });
  terminal.result(queue, () => `${plural(queue.drained, 'task')} taken out of ${name}: ${describe(queue)}.`);
}

async function listLetters(
  { client, terminal, signal }: CommandContext,
  { queue, limit }: { readonly queue?: string; readonly limit: number },
): Promise<void> {
  const found = await client.admin.listDeadLetters({ signal, limit: Math.min(limit, 1_000), ...given({ queue }) });
  if (found.has_more) terminal.note(`${formatCount(found.data.length)} of ${formatCount(found.total)}; --limit shows more.`);
  terminal.result(found, () => (found.data.length === 0 ? 'There is no dead letter.' : renderDeadLetters(found.data, terminal.columns)));
}

async function retryLetter({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  const retried = await client.admin.retryDeadLetter(id, { signal });
  terminal.result(retried, () =>
    retried.retry_job_id === undefined
      ? `${id} is back in ${retried.queue}.`
      : `Job ${retried.retry_job_id} runs the errored requests of ${retried.job_id} again.`,
  );
}

async function deleteLetter({ client, terminal, signal }: CommandContext, id: string): Promise<void> {
  await client.admin.deleteDeadLetter(id, { signal });
  terminal.result({ dead_letter: id, deleted: true }, () => `${id} deleted.`);
}

function describe({ waiting, prioritized, delayed, active }: QueueBody): string {
  return `${formatCount(waiting + prioritized + delayed)} wait, ${formatCount(active)} in hand`;
}
