// Only what needs types: everything else is Biome's.
import tseslint from 'typescript-eslint';

const promises = {
  '@typescript-eslint/no-floating-promises': ['error', { checkThenables: true }],
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
};

const types = {
  '@typescript-eslint/consistent-type-exports': 'error',
  '@typescript-eslint/no-deprecated': 'error',
  '@typescript-eslint/no-import-type-side-effects': 'error',
  '@typescript-eslint/prefer-nullish-coalescing': 'error',
  '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
};

/** Constants that other processes, the database or drivers know by their value. */
const wireConstants = 'EVERYBODY|NOTIFY_SQL|UNIQUE_VIOLATION|FOREIGN_KEY_VIOLATION|WRITE_CONFLICT|WRAPPED';

/** A reader learns little from these words: name the thing that the class or interface is. */
const emptyWords = {
  selector: 'typeLike',
  format: null,
  custom: { regex: '(?:Manager|Helper|Impl|Base|Util)s?$|^I[A-Z]', match: false },
};

const names = {
  '@typescript-eslint/naming-convention': [
    'error',
    {
      selector: 'variable',
      format: null,
      // A name of capitals alone.
      custom: { regex: '[a-z]|^_', match: true },
      filter: { regex: `^(?:${wireConstants})$`, match: false },
    },
    emptyWords,
  ],
};

const onlyTransportWrites = {
  selector: "MemberExpression[object.name='ctx'][property.name='res']",
  message: 'Only src/transport writes ctx.res.',
};
/** A cast that the compiler does not check at all. Parse the value, or write a guard. */
const uncheckedCasts = [
  { selector: "TSAsExpression > TSAsExpression[typeAnnotation.type='TSUnknownKeyword']", message: 'Do not cast through `unknown`.' },
  { selector: "TSAsExpression[typeAnnotation.type='TSNeverKeyword']", message: 'Do not cast to `never`.' },
];
/** A type with any name switches the check for typing errors off. */
const noIndexSignatures = { selector: 'TSIndexSignature', message: 'Name the options: a typing error must not compile.' };
/** Where a cast through `unknown` stays: an object that is built from the names of a type's members. */
const castsStay = ['src/store/outage.ts'];

// Handlers, stores and completers are async by contract, whether or not they happen to wait.
const contracts = { '@typescript-eslint/require-await': 'off' };

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '**/generated/', 'results/', '*.js', '*.cjs', '**/*.mjs'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{ts,tsx}'],
    extends: [tseslint.configs.base, ...tseslint.configs.recommendedTypeCheckedOnly],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: { ...promises, ...types, ...contracts },
  },
  { files: ['src/**/*.{ts,tsx}'], rules: { ...names, 'max-params': ['error', 3] } },
  {
    // `environment` and `ctx` come first in most functions of transport; in models a model and the path of the value go with most values.
    files: ['src/transport/**', 'src/models/**', 'src/session/session-log.ts', 'src/delivery/nodes.ts'],
    rules: { 'max-params': ['error', 4] },
  },
  { files: ['src/**/*.{ts,tsx}'], rules: { 'no-restricted-syntax': ['error', ...uncheckedCasts, onlyTransportWrites] } },
  { files: ['src/transport/**'], rules: { 'no-restricted-syntax': ['error', ...uncheckedCasts] } },
  {
    files: ['src/options.ts', 'src/host/**'],
    rules: { 'no-restricted-syntax': ['error', ...uncheckedCasts, onlyTransportWrites, noIndexSignatures] },
  },
  { files: castsStay, rules: { 'no-restricted-syntax': ['error', onlyTransportWrites] } },
  {
    // JSON from the wire is `any` on purpose in a test: what it must look like is what the test asserts.
    files: ['test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      // Test databases and stores are closures, made to be taken apart.
      '@typescript-eslint/unbound-method': 'off',
    },
  },
);
