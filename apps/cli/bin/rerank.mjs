#!/usr/bin/env node
// Plain JavaScript that any Node can read: it says what is missing before anything else is loaded.
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write('rerank is not built yet. Run `npm start`, or `npm run build`, in the folder of rerank-fleet first.\n');
  process.exitCode = 1;
}
