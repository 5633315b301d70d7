import path from 'node:path';
import ts from 'typescript';
import { REPOSITORY_ROOT } from '../rules/repository-root.ts';
import { PACKAGES } from './validate-object.ts';
import type { KubernetesObject } from './kubernetes-object.ts';

/** Beside the real files, so that its imports are found as theirs are. */
const FILE = path.join(REPOSITORY_ROOT, 'test/deploy/rendered-objects.ts');
const OPTIONS: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  types: [],
};

/**
 * What the compiler says of objects that are written down as literals of their models' types. The models themselves let pass any field that they do not know, and a
 * misspelt one is just that.
 */
export function typeFaults(objects: readonly KubernetesObject[]): readonly string[] {
  const lines = objects.map((object, at) => {
    const home = PACKAGES[object.apiVersion];
    if (home === undefined) throw new Error(`No model of ${object.apiVersion} ${object.kind} is known here.`);
    return `export const o${at}: import('${home}').I${object.kind} = ${JSON.stringify(object)};`;
  });
  const host = ts.createCompilerHost(OPTIONS);
  const { getSourceFile, fileExists } = host;
  host.getSourceFile = (name, ...rest) =>
    name === FILE ? ts.createSourceFile(name, lines.join('\n'), ts.ScriptTarget.ESNext) : getSourceFile.call(host, name, ...rest);
  host.fileExists = (name) => name === FILE || fileExists.call(host, name);
  const program = ts.createProgram([FILE], OPTIONS, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const object = file?.fileName === FILE ? objects[file.getLineAndCharacterOfPosition(start).line] : undefined;
    return `${object?.kind ?? file?.fileName}/${object?.metadata.name ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  });
}
