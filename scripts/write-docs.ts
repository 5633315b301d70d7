/** Writes the pages that are generated from the code: `.env.example`, docs/configuration.md, docs/cli.md and docs/observability.md. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildProgram, renderCliPage } from '@rerank-fleet/cli';
import { renderConfigurationPage, renderEnvExample } from '@rerank-fleet/core/config';
import { renderObservabilityPage } from '@rerank-fleet/core/observability';
import { format, resolveConfig } from 'prettier';

const root = new URL('../', import.meta.url);
writeFileSync(new URL('.env.example', root), renderEnvExample());
writeFileSync(new URL('docs/configuration.md', root), renderConfigurationPage());
await writeFormatted('docs/cli.md', renderCliPage(buildProgram()));
await writeFormatted('docs/observability.md', renderObservabilityPage());

async function writeFormatted(file: string, text: string): Promise<void> {
  const page = new URL(file, root);
  const style = (await resolveConfig(fileURLToPath(page))) ?? {};
  writeFileSync(page, await format(text, { ...style, parser: 'markdown' }));
}
