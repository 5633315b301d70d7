/**
 * Writes what write-reference-tokens.py reads: the cases, and a tokenizer.json for each generated layout.
 *
 *   node test/golden/write-token-cases.ts FOLDER
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MULTILINGUAL_LAYOUTS, multilingualTokenizer } from '../support/tiny-models/multilingual-tokenizers.ts';
import { TOKEN_WINDOW, tokenCases } from './token-cases.ts';

const folder = process.argv[2];
if (folder === undefined) throw new Error('Usage: node test/golden/write-token-cases.ts FOLDER');
await mkdir(folder, { recursive: true });
await writeFile(join(folder, 'cases.json'), JSON.stringify({ window: TOKEN_WINDOW, cases: tokenCases() }));
for (const layout of MULTILINGUAL_LAYOUTS) {
  const { file } = multilingualTokenizer(layout);
  await writeFile(join(folder, `${layout}.json`), JSON.stringify(file));
}
