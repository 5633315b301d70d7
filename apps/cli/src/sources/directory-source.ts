import { readdir, readFile } from 'node:fs/promises';
import { basename, extname, join, posix } from 'node:path';
import { usageError } from '../exit-code.js';
import { parseDocument } from './parse-document.js';
import type { DocumentSource, SourceItem } from './source-item.js';

const MARKDOWN = new Set(['.md', '.markdown']);
const READ = new Set(['.txt', ...MARKDOWN]);
/** Never documents of the user's own. */
const SKIPPED_FOLDERS = new Set(['node_modules']);

/**
 * Every .txt and .md file below a folder, in order of path: the id is the path relative to the folder, with `/`; the title the first
 * heading of Markdown, or the file's name. Hidden files and links are left out.
 *
 * @throws CliError where there is no such file
 */
export async function openDirectory(root: string): Promise<DocumentSource> {
  const paths: string[] = [];
  let others = 0;
  for await (const path of walk(root, '')) {
    if (READ.has(extname(path).toLowerCase())) paths.push(path);
    else others += 1;
  }
  if (paths.length === 0)
    throw usageError(`${root} holds no .txt or .md files and no corpus.jsonl. Name a JSONL file itself to ingest it.`);
  let read = 0;
  async function* items(): AsyncGenerator<SourceItem> {
    for (const path of paths) {
      yield await readItem(root, path);
      read += 1;
    }
  }
  const remarks =
    others === 0 ? [] : [`${others} other ${others === 1 ? 'file' : 'files'} left out: only .txt and .md are read from a folder.`];
  return { name: root, totalBytes: paths.length, bytesRead: () => read, remarks, items };
}

async function* walk(root: string, below: string): AsyncGenerator<string> {
  const entries = await readdir(join(root, below), { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const path = posix.join(below, entry.name);
    if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) yield* walk(root, path);
    else if (entry.isFile()) yield path;
  }
}

async function readItem(root: string, path: string): Promise<SourceItem> {
  const origin = { file: path, unit: 'file', number: 1 } as const;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(join(root, path)));
  } catch (error) {
    return {
      origin,
      fault: error instanceof TypeError ? 'is not UTF-8' : `cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`,
    };
  }
  if (text.trim() === '') return { origin, fault: 'is empty' };
  return { origin, ...parseDocument({ id: path, title: titleOf(path, text), text }) };
}

export function titleOf(path: string, text: string): string {
  const extension = extname(path);
  const heading = MARKDOWN.has(extension.toLowerCase()) ? firstHeading(text) : undefined;
  return (heading ?? basename(path, extension)).slice(0, 4_096);
}

/** ATX and setext headings (CommonMark 4.2 and 4.3), outside of fenced code and front matter. */
function firstHeading(text: string): string | undefined {
  let fence: string | undefined;
  let previous = '';
  for (const line of text.replace(/^---\r?\n[\s\S]*?\r?\n---(\r?\n|$)/, '').split(/\r?\n/)) {
    const mark = /^ {0,3}(```|~~~)/.exec(line)?.[1];
    if (mark !== undefined) fence = fence === undefined ? mark : fence === mark ? undefined : fence;
    else if (fence === undefined) {
      const atx = /^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$/.exec(line)?.[1];
      if (atx !== undefined && atx !== '') return atx;
      if (/^ {0,3}(=+|-{2,})[ \t]*$/.test(line) && previous.trim() !== '') return previous.trim();
    }
    previous = line;
  }
  return undefined;
}
