import vitest from '@vitest/eslint-plugin';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const TESTS = ['**/*.test.{ts,tsx}', 'test/**/*.ts'];
/** Programs whose output is the terminal. */
const TERMINAL = ['apps/cli/src/**/*.ts', 'bench/**/*.ts', 'scripts/**'];

const ENVIRONMENT = 'Read the environment in libs/core/src/config alone; everything else takes the parsed configuration.';
const REASON = 'Skip inside the test, with a reason: `context.skip(condition, "why")`.';

const SYNTAX = {
  environment: {
    selector: 'MemberExpression[property.name="env"]:matches([object.name="process"], [object.property.name="process"])',
    message: ENVIRONMENT,
  },
  destructuredEnvironment: {
    selector: 'VariableDeclarator[init.name="process"] > ObjectPattern > Property[key.name="env"]',
    message: ENVIRONMENT,
  },
  importedEnvironment: {
    selector: 'ImportDeclaration[source.value=/^(node:)?process$/] > ImportSpecifier[imported.name="env"]',
    message: ENVIRONMENT,
  },
};

const SKIPS = {
  named: {
    selector: 'MemberExpression[property.name=/^(skip|skipIf|runIf|todo)$/]:matches([object.name=/^(it|test|describe|suite)$/])',
    message: REASON,
  },
  chained: {
    selector: 'MemberExpression[property.name=/^(skip|skipIf|runIf|todo)$/][object.object.name=/^(it|test|describe|suite)$/]',
    message: REASON,
  },
  withoutReason: { selector: 'CallExpression[callee.property.name="skip"][arguments.length=0]', message: REASON },
};

/** @type {import('eslint').Linter.RulesRecord} */
const TYPE_AWARE = {
  '@typescript-eslint/await-thenable': 'error',
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-floating-promises': 'error',
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/no-unsafe-argument': 'error',
  '@typescript-eslint/no-unsafe-assignment': 'error',
  '@typescript-eslint/no-unsafe-call': 'error',
  '@typescript-eslint/no-unsafe-member-access': 'error',
  '@typescript-eslint/no-unsafe-return': 'error',
  '@typescript-eslint/only-throw-error': 'error',
  '@typescript-eslint/prefer-promise-reject-errors': 'error',
  '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
};

/**
 * Why each is off: it fights a choice of the house, or finds taste rather than faults.
 * @type {import('eslint').Linter.RulesRecord}
 */
const NOT_OURS = {
  // Nest finds its parameters by explicit @Inject(TOKEN), decorators and empty module classes are its idiom.
  '@typescript-eslint/no-extraneous-class': 'off',
  // A port may be implemented by something synchronous.
  '@typescript-eslint/require-await': 'off',
  // Numbers are what log lines and errors are made of.
  '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
  '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
  '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
  // An impossible value at a door is checked all the same.
  '@typescript-eslint/no-unnecessary-condition': 'off',
  // With noUncheckedIndexedAccess it is how a loop over a typed array says that its index is in bounds.
  '@typescript-eslint/no-non-null-assertion': 'off',
};

export default defineConfig(
  { ignores: ['**/dist/', '**/node_modules/', '**/coverage/', '.rerank/', 'test/rules/.planted/'] },
  {
    name: 'house/typescript',
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: 'tsconfig.check.json', tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      ...TYPE_AWARE,
      ...NOT_OURS,
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...Object.values(SYNTAX)],
      'max-lines': ['warn', { max: 300, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['warn', { max: 50, skipBlankLines: true, skipComments: true }],
      'max-params': ['warn', { max: 4 }],
    },
  },
  {
    name: 'house/web',
    files: ['apps/web/**/*.{ts,tsx}'],
    languageOptions: { parserOptions: { project: 'apps/web/tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    // Markup is long, and says little a line.
    rules: { 'max-lines-per-function': ['warn', { max: 75, skipBlankLines: true, skipComments: true }] },
  },
  {
    name: 'house/tests',
    files: TESTS,
    plugins: { vitest },
    rules: {
      'vitest/expect-expect': ['error', { assertFunctionNames: ['expect', 'expect*', 'assert*', 'fc.assert'] }],
      'vitest/no-commented-out-tests': 'error',
      'vitest/no-focused-tests': 'error',
      'vitest/no-identical-title': 'error',
      'vitest/no-standalone-expect': 'off',
      'vitest/valid-expect': 'error',
      'no-restricted-syntax': ['error', ...Object.values(SYNTAX), ...Object.values(SKIPS)],
      'max-lines': 'off',
      'max-lines-per-function': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    name: 'house/configuration-reads-the-environment',
    files: ['libs/core/src/config/**/*.ts', 'scripts/**'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    name: 'house/test-support-hands-the-environment-on',
    files: ['test/support/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...Object.values(SKIPS)] },
  },
  { name: 'house/terminal', files: TERMINAL, rules: { 'no-console': 'off' } },
  {
    name: 'house/plain-javascript',
    files: ['**/*.{js,mjs,cjs}'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { eqeqeq: 'error', 'no-unused-vars': ['error', { argsIgnorePattern: '^_' }], 'no-var': 'error', 'prefer-const': 'error' },
  },
);
