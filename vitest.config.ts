import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { alias: { 'koa-mcp': fileURLToPath(new URL('src/index.ts', import.meta.url)) } },
  test: {
    environment: 'node',
    pool: 'forks',
    globalSetup: ['test/support/spec-schemas.ts'],
    include: ['test/**/*.test.ts'],
    typecheck: { enabled: true, include: ['test/types/*.test-d.ts'], tsconfig: 'tsconfig.json', ignoreSourceErrors: true },
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    coverage: { provider: 'v8', include: ['src/**'], exclude: ['src/bin.ts'] },
  },
});
