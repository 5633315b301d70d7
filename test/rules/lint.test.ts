import path from 'node:path';
import { ESLint } from 'eslint';
import { beforeAll, describe, expect, it } from 'vitest';
import config from '../../eslint.config.js';
import { type PlantedFiles, withPlantedTree } from './planted-tree.ts';
import { REPOSITORY_ROOT } from './repository-root.ts';

const SOURCE = 'apps/worker/src/tasks';
const SLOW = 'const slow = async (): Promise<number> => { await Promise.resolve(); return 1; };\n';
const LOOSE = "const loose: unknown = JSON.parse('1');\n";

/** One fault each; the rule that must speak, and the path that the file has in the tree. */
const PLANTED: readonly (readonly [rule: string, what: string, folder: string, code: string])[] = [
  ['@typescript-eslint/no-floating-promises', 'a promise nobody waits for', SOURCE, `${SLOW}slow();\n`],
  ['@typescript-eslint/no-misused-promises', 'a promise as a condition', SOURCE, `${SLOW}export const a = slow() ? 1 : 2;\n`],
  [
    '@typescript-eslint/no-misused-promises',
    'an async function where a void one is due',
    SOURCE,
    `${SLOW}export const a = [1].forEach(slow);\n`,
  ],
  ['@typescript-eslint/await-thenable', 'await on a number', SOURCE, 'export const a = await 1;\n'],
  [
    '@typescript-eslint/switch-exhaustiveness-check',
    'a switch that forgets a case',
    SOURCE,
    "export function a(mode: 'dense' | 'sparse'): number {\n  switch (mode) {\n    case 'dense':\n      return 1;\n  }\n  return 0;\n}\n",
  ],
  ['@typescript-eslint/no-explicit-any', 'any', SOURCE, 'export const a = (b: any): number => 1;\n'],
  ['@typescript-eslint/no-unsafe-assignment', 'an any assigned', SOURCE, "export const a: number = JSON.parse('1');\n"],
  ['@typescript-eslint/no-unsafe-return', 'an any returned', SOURCE, "export const a = (): number => JSON.parse('1');\n"],
  ['@typescript-eslint/no-unsafe-member-access', 'a member of an any', SOURCE, "export const a = JSON.parse('1').b as number;\n"],
  ['@typescript-eslint/no-unsafe-call', 'an any called', SOURCE, "export const a = JSON.parse('1')() as number;\n"],
  ['@typescript-eslint/no-unsafe-argument', 'an any as an argument', SOURCE, "export const a = Math.abs(JSON.parse('1'));\n"],
  ['@typescript-eslint/only-throw-error', 'a thrown text', SOURCE, "export function a(): never {\n  throw 'no';\n}\n"],
  ['@typescript-eslint/prefer-promise-reject-errors', 'a promise rejected with a text', SOURCE, "export const a = Promise.reject('no');\n"],
  [
    '@typescript-eslint/return-await',
    'a promise that leaves its try block',
    SOURCE,
    `${SLOW}export async function a(): Promise<number> {\n  try {\n    return slow();\n  } catch {\n    return 0;\n  }\n}\n`,
  ],
  [
    '@typescript-eslint/restrict-template-expressions',
    'an object in a text',
    SOURCE,
    'export const a = (b: { c: 1 }): string => `${b}`;\n',
  ],
  ['@typescript-eslint/no-confusing-void-expression', 'nothing, kept', SOURCE, 'export const a = [1].forEach((b) => void b);\n'],
  ['@typescript-eslint/no-unused-vars', 'a variable nobody reads', SOURCE, `${LOOSE}export {};\n`],
  ['no-console', 'the console in the worker', SOURCE, "console.log('a');\n"],
  ['no-console', 'the console in a library', 'libs/core/src/retrieval', "console.error('a');\n"],
  ['no-restricted-syntax', 'the environment in the worker', SOURCE, 'export const a = process.env.PORT;\n'],
  ['no-restricted-syntax', 'the environment by way of globalThis', SOURCE, "export const a = globalThis.process.env['PORT'];\n"],
  ['no-restricted-syntax', 'the environment taken apart', SOURCE, 'const { env } = process;\nexport const a = env;\n'],
  ['no-restricted-syntax', 'the environment imported', SOURCE, "import { env } from 'node:process';\nexport const a = env;\n"],
  [
    'no-restricted-syntax',
    'the environment in another part of the core',
    'libs/core/src/retrieval',
    'export const a = process.env.PORT;\n',
  ],
  ['no-restricted-syntax', 'the environment in a test', 'test/integration', 'export const a = process.env.PORT;\n'],
  ['eqeqeq', 'a loose comparison', SOURCE, 'export const a = (b: string): boolean => b == null;\n'],
  ['eqeqeq', 'a loose comparison in plain JavaScript', 'scripts', 'export const a = (b) => b == null;\n'],
  ['no-unused-vars', 'a variable nobody reads in plain JavaScript', 'scripts', 'const a = 1;\n'],
  ['no-var', 'var', 'scripts', 'export var a = 1;\n'],
  ['prefer-const', 'a let that stays', 'scripts', 'let a = 1;\nexport const b = a;\n'],
  ['vitest/no-focused-tests', 'a focused test', 'test/e2e', testFile("it.only('a', () => { expect(1).toBe(1); });")],
  ['no-restricted-syntax', 'a skipped test', 'test/e2e', testFile("it.skip('a', () => { expect(1).toBe(1); });")],
  [
    'no-restricted-syntax',
    'a suite skipped by a condition',
    'test/e2e',
    testFile("describe.skipIf(true)('a', () => { it('b', () => { expect(1).toBe(1); }); });"),
  ],
  ['no-restricted-syntax', 'a table of skipped tests', 'test/e2e', testFile("it.skip.each([1])('a', (n) => { expect(n).toBe(1); });")],
  ['no-restricted-syntax', 'a test to do', 'test/e2e', testFile("it.todo('a');")],
  [
    'no-restricted-syntax',
    'a skip without a reason',
    'test/e2e',
    testFile("it('a', (context) => { context.skip(); expect(1).toBe(1); });"),
  ],
  ['vitest/expect-expect', 'a test that cannot fail', 'test/e2e', testFile("it('a', () => { Math.abs(1); });")],
  ['vitest/valid-expect', 'an assertion without a matcher', 'test/e2e', testFile("it('a', () => { expect(1); });")],
  ['vitest/no-commented-out-tests', 'a test commented out', 'test/e2e', testFile("// it('a', () => { expect(1).toBe(1); });")],
  [
    'vitest/no-identical-title',
    'two tests of one name',
    'test/e2e',
    testFile("it('a', () => { expect(1).toBe(1); });\nit('a', () => { expect(1).toBe(1); });"),
  ],
];

/** What the rules let through on purpose. */
const ALLOWED: PlantedFiles = {
  'libs/core/src/config/environment.ts': 'export const a = process.env.PORT;\n',
  'scripts/tool.ts': "console.log(process.env['PORT']);\n",
  'test/support/child-environment.ts': 'export const a = { ...process.env };\n',
  'apps/cli/src/print.ts': "console.log('a');\n",
  'bench/table.ts': "console.log('a');\n",
  'test/e2e/a.test.ts': testFile(
    "it('a', (context) => { context.skip(process.argv.length > 9, 'there are too many arguments'); expect(1).toBe(1); });",
  ),
};

function testFile(body: string): string {
  const used = ['describe', 'expect', 'it'].filter((name) => new RegExp(`\\b${name}\\b`).test(body));
  return `import { ${used.join(', ')} } from 'vitest';\n\n${body}\n`;
}

const plantedPath = (index: number): string => {
  const [, , folder = ''] = PLANTED[index] ?? [];
  const ending = folder.startsWith('test/') ? '.test.ts' : folder === 'scripts' ? '.mjs' : '.ts';
  return path.join(folder, `planted-${String(index)}${ending}`);
};

/** The rules that spoke, by file. */
async function lint(root: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const eslint = new ESLint({
    cwd: root,
    overrideConfigFile: path.join(REPOSITORY_ROOT, 'eslint.config.js'),
    overrideConfig: [{ files: ['**/*.ts'], languageOptions: { parserOptions: { tsconfigRootDir: root } } }],
  });
  const results = await eslint.lintFiles(['**/*.{ts,mjs}']);
  return new Map(
    results.map((result) => [
      path.relative(root, result.filePath),
      result.messages.filter((message) => message.severity === 2).map((message) => message.ruleId ?? message.message),
    ]),
  );
}

describe('the lint rules', () => {
  let spoken: ReadonlyMap<string, readonly string[]>;

  beforeAll(async () => {
    const tsConfig = { extends: path.join(REPOSITORY_ROOT, 'tsconfig.check.json'), include: ['**/*.ts'], exclude: [] };
    const planted = Object.fromEntries(PLANTED.map(([, , , code], index) => [plantedPath(index), code]));
    spoken = await withPlantedTree({ 'tsconfig.check.json': JSON.stringify(tsConfig), ...planted, ...ALLOWED }, lint);
  });

  it('have a planted fault each', () => {
    const ours = config.filter((part) => part.name?.startsWith('house/') === true && !part.name.includes(' > '));
    const rules = ours.flatMap((part) => Object.entries(part.rules ?? {}).filter(([, level]) => [level].flat()[0] === 'error'));
    expect(new Set(PLANTED.map(([rule]) => rule))).toEqual(new Set(rules.map(([rule]) => rule)));
  });

  it.each(PLANTED.map(([rule, what], index) => ({ rule, what, index })))('$rule: find $what', ({ rule, index }) => {
    expect(spoken.get(plantedPath(index))).toContain(rule);
  });

  it.each(Object.keys(ALLOWED))('find nothing in %s', (file) => {
    expect(spoken.get(file)).toEqual([]);
  });
});
