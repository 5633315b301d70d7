/** Writes the pages that are generated from the code: `.env.example`, docs/configuration.md and docs/cli.md. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { buildProgram, renderCliPage } from '@rerank-fleet/cli';
import { renderConfigurationPage, renderEnvExample } from '@rerank-fleet/core/config';
import { format, resolveConfig } from 'prettier';

const root = new URL('../', import.meta.url);
writeFileSync(new URL('.env.example', root), renderEnvExample());
writeFileSync(new URL('docs/configuration.md', root), renderConfigurationPage());
const cliPage = new URL('docs/cli.md', root);
const style = (await resolveConfig(fileURLToPath(cliPage))) ?? {};
writeFileSync(cliPage, await format(renderCliPage(buildProgram()), { ...style, parser: 'markdown' }));
