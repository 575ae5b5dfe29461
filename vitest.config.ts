import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { configDefaults, defineConfig } from 'vitest/config';

const all = ['test/**/*.test.ts'];
/**
 * Minutes of real processes, real faults, schedules, compilers and repetitions over other databases and buses: `npm run test:long`, not
 * `npm test`.
 */
const long = [
  'test/bench/contenders.test.ts',
  'test/chaos/chaos.test.ts',
  'test/cli/doctor.test.ts',
  'test/clients/{inspector,restart}.test.ts',
  'test/console/{looks,use}.test.ts',
  'test/bus/processes.test.ts',
  'test/example/{database,restart,server}.test.ts',
  // Counts all functions that run, so nothing of other files may run beside it.
  'test/files-of-a-call.test.ts',
  'test/fuzz/planted.test.ts',
  'test/generator/{generator,init-schemas,prisma-6}.test.ts',
  'test/intruders/{pages,replays}.test.ts',
  'test/leak-hunt/planted.test.ts',
  'test/load/load.test.ts',
  'test/models/{idempotency-killed,many-rows}.test.ts',
  'test/live/processes.test.ts',
  'test/processes/{no-wake-ups,polling,postgres-faults,redis,sqlite,wake-ups}.test.ts',
  'test/proxies/nginx.test.ts',
  'test/readme/compile.test.ts',
  'test/simulation/schedules.test.ts',
  'test/store/sqlite-adapter.test.ts',
  'test/transport/many-tasks.test.ts',
  'test/types/versions.test.ts',
];

export default defineConfig({
  resolve: {
    alias: {
      'koa-mcp/testing': fileURLToPath(new URL('src/testing/connect.ts', import.meta.url)),
      'koa-mcp': fileURLToPath(new URL('src/index.ts', import.meta.url)),
    },
  },
  test: {
    environment: 'node',
    pool: 'forks',
    // Also where there are two cores: Vitest alone would leave one of them to itself.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ['test/support/spec-schemas.ts', 'test/support/test-run.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    coverage: { provider: 'v8', include: ['src/**'], exclude: ['src/cli/bin.ts'] },
    projects: [
      {
        extends: true,
        test: {
          name: 'short',
          include: all,
          exclude: [...configDefaults.exclude, ...long],
          // The files of a worker share what they import: Prisma's clients alone take half a second a file.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'long',
          include: [...long, 'test/**/*.property.test.ts', 'test/models/{tokens,vendors}.test.ts'],
          env: { TEST_LONG: '1' },
          typecheck: { enabled: true, include: ['test/types/*.test-d.ts'], tsconfig: 'tsconfig.json', ignoreSourceErrors: true },
        },
      },
    ],
  },
});
