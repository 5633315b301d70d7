import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { REPOSITORY_ROOT } from './repository-root.ts';

/** Path → text. */
export type PlantedFiles = Readonly<Record<string, string>>;

/**
 * Writes a tree with the layout of the repository under an ignored folder inside it, so that packages resolve as they do in the real one.
 * The tree is removed when `use` is done.
 */
export async function withPlantedTree<T>(files: PlantedFiles, use: (root: string) => Promise<T>): Promise<T> {
  const nursery = path.join(REPOSITORY_ROOT, 'test/rules/.planted');
  mkdirSync(nursery, { recursive: true });
  const root = mkdtempSync(path.join(nursery, 'tree-'));
  try {
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
      writeFileSync(path.join(root, file), text);
    }
    return await use(root);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
