import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { cruise, type ICruiseResult, type IViolation } from 'dependency-cruiser';
import extractDepcruiseOptions from 'dependency-cruiser/config-utl/extract-depcruise-options';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import { REPOSITORY_ROOT } from './repository-root.ts';

export interface Boundaries {
  /** Modules of the repository that were read; packages and Node's own are not counted. */
  readonly modulesCruised: number;
  /** Of those, paths from the root of the tree. */
  readonly modules: readonly string[];
  readonly violations: readonly IViolation[];
}

/**
 * Holds the tree at `root` to the rules of `.dependency-cruiser.mjs`.
 *
 * dependency-cruiser reports success on a tree in which it read nothing (a compiler it does not know is enough), so callers look at
 * `modulesCruised` too.
 */
export async function cruiseBoundaries(root: string): Promise<Boundaries> {
  const options = await extractDepcruiseOptions(path.join(REPOSITORY_ROOT, '.dependency-cruiser.mjs'));
  const { output } = await cruise(
    sourceFolders(root),
    { ...options, baseDir: root },
    { alias: workspaceAliases(root), bustTheCache: true },
  );
  if (typeof output === 'string') throw new TypeError('dependency-cruiser gave a text where its result was asked for.');
  const modules = ownModules(output);
  return { modules, modulesCruised: modules.length, violations: output.summary.violations };
}

export function describeViolation(violation: IViolation): string {
  const way = violation.type === 'reachability' || violation.type === 'cycle' ? (violation.cycle ?? violation.via ?? []) : [];
  const steps = way.length === 0 ? [violation.to] : way.map((step) => step.name);
  return `${violation.rule.name}: ${[violation.from, ...steps].join(' → ')}`;
}

function ownModules(result: ICruiseResult): string[] {
  return result.modules.map((module) => module.source).filter((source) => /^(?:libs|apps|test|bench)\//.test(source));
}

/** Builds are left out: a package's dist repeats its sources. */
function sourceFolders(root: string): string[] {
  const packages = ['libs', 'apps'].filter((folder) => existsSync(path.join(root, folder)));
  const sources = packages.flatMap((folder) => readdirSync(path.join(root, folder)).map((name) => path.join(folder, name, 'src')));
  return [...sources, 'test', 'bench'].filter((folder) => existsSync(path.join(root, folder)));
}

/** Workspace imports lead to the sources under `root`, by the paths that the type check uses. */
function workspaceAliases(root: string): { name: string; alias: string; onlyModule: boolean }[] {
  const { paths = {} } = extractTSConfig(path.join(REPOSITORY_ROOT, 'tsconfig.check.json')).options;
  return Object.entries(paths).map(([name, [target = '']]) => ({ name, alias: path.join(root, target), onlyModule: !name.endsWith('*') }));
}
