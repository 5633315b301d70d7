/** Writes the pages that are generated from the code: `.env.example` and docs/configuration.md. */
import { writeFileSync } from 'node:fs';
import { renderConfigurationPage, renderEnvExample } from '@rerank-fleet/core/config';

const root = new URL('../', import.meta.url);
writeFileSync(new URL('.env.example', root), renderEnvExample());
writeFileSync(new URL('docs/configuration.md', root), renderConfigurationPage());
