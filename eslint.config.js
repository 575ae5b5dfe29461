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
  ],
};

// Handlers, stores and completers are async by contract, whether or not they happen to wait.
const contracts = { '@typescript-eslint/require-await': 'off' };

export default tseslint.config(
  { ignores: ['dist/', 'coverage/', '**/generated/', 'results/', '*.js', '*.cjs', '**/*.mjs'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base, ...tseslint.configs.recommendedTypeCheckedOnly],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: { ...promises, ...types, ...contracts },
  },
  { files: ['src/**/*.ts'], rules: names },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/transport/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        { selector: "MemberExpression[object.name='ctx'][property.name='res']", message: 'Only src/transport writes ctx.res.' },
      ],
    },
  },
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
