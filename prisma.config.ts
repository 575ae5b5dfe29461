import { defineConfig } from 'prisma/config';

// `prisma generate` asks for the schema engine, a download of its own, and never runs it: any existing file will do.
if (process.argv.includes('generate')) process.env['PRISMA_SCHEMA_ENGINE_BINARY'] ??= process.execPath;

// The example's database. Its schema is composed by `npm run generate`, once for each provider.
const url = process.env['DATABASE_URL'] ?? 'file:./example-app/reservations.db';
const provider = /^postgres(?:ql)?:/.test(url) ? 'postgresql' : 'sqlite';

export default defineConfig({
  schema: `example-app/generated/${provider}/schema.prisma`,
  migrations: { path: `example-app/prisma/migrations/${provider}` },
  datasource: { url },
});
