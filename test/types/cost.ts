/**
 * `npm run build && npx tsx test/types/cost.ts`: what type checking costs an app that exposes 100 models, in each version of TypeScript that is supported.
 *
 * Checks the same app with and without its call of `mcp()`, in turn, and prints the medians of the time that the compiler takes. Other work on the machine adds to it.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { spreadOf } from '../bench/statistics.ts';
import { syntheticSchema } from '../schemas/synthetic.ts';

const models = 100;
const rounds = 5;

const run = promisify(execFile);
const require = createRequire(import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));
const { datamodel, client } = await syntheticSchema({ models, client: true });
const folder = path.join(root, 'generated/types-cost');
await mkdir(folder, { recursive: true });

const own = `import type { PrismaClient } from '${client}';
declare const prisma: PrismaClient;
export const first = prisma.${keyOf(Object.keys(datamodel.models)[0] ?? '')}.findMany({ take: 1 });
`;
const exposures = Object.entries(datamodel.models).map(([name, { fields }]) => {
  const [text] = fields.filter(({ type, kind, isList }) => kind === 'scalar' && type === 'String' && !isList);
  const policy = text === undefined ? '{}' : `ctx => ({ ${text.name}: ctx.principal ?? '' })`;
  return `    ${keyOf(name)}: { where: ${policy}, operations: ['findMany', 'count'], orderBy: [], take: 10 },`;
});
await project('without', own);
await project(
  'with',
  `${own}import type { Datamodel } from 'koa-mcp';
import { mcp } from 'koa-mcp';
declare const datamodel: Datamodel;
export const endpoint = mcp({
  name: 'cost',
  version: '1.0.0',
  prisma,
  datamodel,
  models: {
${exposures.join('\n')}
  },
});
`,
);

console.log('| TypeScript | without `mcp()` | with | difference |');
console.log('|---|---|---|---|');
for (const name of ['ts59', 'typescript', 'ts7']) {
  const manifest = require.resolve(`${name}/package.json`);
  const { version } = require(manifest) as { version: string };
  const tsc = path.join(path.dirname(manifest), 'bin/tsc');
  const seconds = { without: [] as number[], with: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    for (const which of ['without', 'with'] as const) seconds[which].push(await check(tsc, which));
  }
  const [without, withMcp] = [spreadOf(seconds.without).median, spreadOf(seconds.with).median];
  console.log(`| ${version} | ${without.toFixed(2)} s | ${withMcp.toFixed(2)} s | ${(withMcp - without).toFixed(2)} s |`);
}

async function project(name: string, text: string): Promise<void> {
  await writeFile(path.join(folder, `${name}.ts`), text);
  await writeFile(path.join(folder, `tsconfig.${name}.json`), JSON.stringify({ extends: '../../tsconfig.json', include: [`${name}.ts`] }));
}

/** Seconds that the compiler takes. */
async function check(tsc: string, name: string): Promise<number> {
  const startedAt = performance.now();
  await run(process.execPath, [tsc, '--noEmit', '--incremental', 'false', '-p', path.join(folder, `tsconfig.${name}.json`)]);
  return (performance.now() - startedAt) / 1000;
}

function keyOf(model: string): string {
  return model.charAt(0).toLowerCase() + model.slice(1);
}
