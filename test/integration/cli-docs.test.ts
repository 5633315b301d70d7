import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { buildProgram, renderCliPage } from '@rerank-fleet/cli';
import { leavesOf, pathOf } from '@rerank-fleet/cli/document-cli';
import { format, resolveConfig } from 'prettier';
import { describe, expect, it } from 'vitest';

describe('docs/cli.md', () => {
  it('is what the command line says of itself', async () => {
    const path = fileURLToPath(new URL('../../docs/cli.md', import.meta.url));
    const options = (await resolveConfig(path)) ?? {};
    // A difference means: run `npm run docs`.
    expect(await readFile(path, 'utf8')).toBe(await format(renderCliPage(buildProgram()), { ...options, parser: 'markdown' }));
  });

  it('has a section for every command that names each of its options', () => {
    const program = buildProgram();
    const sections = new Map(
      renderCliPage(program)
        .split(/^## /m)
        .map((section) => [section.slice(0, section.indexOf('\n')), section]),
    );
    const commands = leavesOf(program);
    expect(commands.map(pathOf)).toEqual(
      expect.arrayContaining(['rerank up', 'rerank ingest', 'rerank corpora delete', 'rerank models pull']),
    );
    for (const command of commands) {
      const section = sections.get(pathOf(command)) ?? '';
      for (const option of command.options) expect(section).toContain(option.long ?? option.flags);
    }
  });
});
