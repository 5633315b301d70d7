import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { CliError } from '../exit-code.js';

/** What a run of `rerank batch` needs to go on after its process has died. */
const runStateSchema = z.object({
  v: z.literal(1),
  /** Of the process that writes the files. */
  pid: z.int(),
  /** Of the service. */
  url: z.string(),
  /** Stands for the job from before it was sent. */
  idempotency_key: z.string(),
  /** As it was named. */
  source: z.string(),
  order: z.enum(['completion', 'submission']),
  /** Options of the command line; no secret among them. */
  flags: z.object({
    corpus: z.string().optional(),
    topK: z.int().optional(),
    topN: z.int().optional(),
    model: z.string().optional(),
    priority: z.int().optional(),
    expiresIn: z.int().optional(),
    strict: z.literal(true).optional(),
    webhook: z.string().optional(),
    webhookSecretEnv: z.string().optional(),
  }),
  /** Once the service has said that it has it. */
  job: z.string().optional(),
  /** What a row of the service is more than the line of the source. */
  row_shift: z.int(),
  /** Of the part file, that are known to be on the disk. */
  bytes: z.int(),
  lines: z.int(),
  /** Of the last line of them. */
  cursor: z.string().optional(),
});

export type RunState = z.infer<typeof runStateSchema>;
export type RunFlags = RunState['flags'];

/** @returns undefined where there is no file */
export async function readRunState(path: string): Promise<RunState | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw cannotWrite(path, error);
  }
  try {
    return runStateSchema.parse(JSON.parse(text));
  } catch {
    throw new CliError(`${path} is no state of this version of \`rerank batch\`; remove it to begin anew.`);
  }
}

export async function writeRunState(path: string, state: RunState): Promise<void> {
  await writeDurably(path, `${JSON.stringify(state)}\n`);
}

/** Durable and whole when it resolves, whatever dies when. @throws CliError */
export async function writeDurably(path: string, text: string): Promise<void> {
  const draft = `${path}.new`;
  try {
    const file = await open(draft, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await renameDurably(draft, path);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

export async function removeRunState(path: string): Promise<void> {
  await rm(path, { force: true });
}

/** The name is on the disk as well when it resolves. */
export async function renameDurably(from: string, to: string): Promise<void> {
  await rename(from, to);
  const folder = await open(dirname(to), 'r');
  try {
    // Not every file system can; none that cannot needs it.
    await folder.sync().catch(() => undefined);
  } finally {
    await folder.close();
  }
}

export function cannotWrite(path: string, error: unknown): CliError {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  const why = { ENOSPC: 'the disk is full', ENOENT: 'there is no such folder', EACCES: 'access is denied' }[code] ?? code;
  return new CliError(`${path} cannot be written: ${why}.`);
}
