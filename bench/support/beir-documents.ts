import { readFile } from 'node:fs/promises';
import type { DocumentBody } from '@rerank-fleet/core/contracts';
import { dataPath } from './evaluation-data.ts';

/** The documents of a BEIR folder as a client sends them. Those without text are left out: they cannot be stored, and no search could find them. */
export async function readDocuments(set: string): Promise<DocumentBody[]> {
  const lines = (await readFile(dataPath('irdata', set, 'corpus.jsonl'), 'utf8')).split('\n').filter((line) => line !== '');
  return lines
    .map((line) => JSON.parse(line) as { _id: string; title?: string; text: string })
    .filter(({ text }) => text.trim() !== '')
    .map(({ _id: id, title, text }) => ({ id, text, ...(title === undefined || title === '' ? {} : { title }) }));
}
