import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { parseAllDocuments } from 'yaml';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';
import type { KubernetesObject } from './kubernetes-object.ts';

const TOOLS = [
  ['kustomize', 'build'],
  ['kubectl', 'kustomize'],
] as const;

/** The real kustomize of this machine; undefined where there is none. */
export const KUSTOMIZE = TOOLS.find(([program]) => spawnSync(program, ['version', '--client'], { stdio: 'ignore' }).error === undefined);

/** @throws Error if kustomize refuses it */
export function renderOverlay(name: string): readonly KubernetesObject[] {
  if (KUSTOMIZE === undefined) throw new Error('Neither kustomize nor kubectl is here.');
  const [program, command] = KUSTOMIZE;
  const text = execFileSync(program, [command, path.join(REPOSITORY_ROOT, 'k8s/overlays', name)], { encoding: 'utf8', maxBuffer: 1e8 });
  return parseAllDocuments(text).map((document) => document.toJS() as KubernetesObject);
}
