import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import { runCli } from './cli-process.js';
import { ContractServer } from './cli-contract-server.js';

/** The command line beside a service that keeps to the contract, anew for each test of the file. */
export class CliRig {
  server = new ContractServer();
  folder = '';

  constructor() {
    beforeEach(async () => {
      this.server = await new ContractServer().start();
      this.folder = await mkdtemp(join(tmpdir(), 'rerank-cli-'));
    });
    afterEach(async () => {
      await this.server.stop();
      await rm(this.folder, { recursive: true });
    });
  }

  readonly rerank = (args: readonly string[], input?: string | Uint8Array): ReturnType<typeof runCli> =>
    runCli(args, { env: { RERANK_URL: this.server.url }, ...(input === undefined ? {} : { input }) });

  /** Resolves to the path. */
  readonly write = async (name: string, content: string | Uint8Array): Promise<string> => {
    const path = join(this.folder, name);
    await writeFile(path, content);
    return path;
  };

  /** Documents of a corpus of the service. */
  readonly stored = (corpus: string): readonly unknown[] => [...(this.server.corpora.get(corpus)?.values() ?? [])];
}

export const ndjson = (rows: readonly unknown[]): string =>
  rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('');
