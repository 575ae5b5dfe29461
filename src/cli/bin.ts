#!/usr/bin/env node
import path from 'node:path';
import { parseArgs } from 'node:util';
import helper from '@prisma/generator-helper';
import { generate, manifest } from './generator.ts';
import { init } from './init.ts';

const usage = `Usage: koa-mcp init [--schema PATH]

  init    adds the models that keep MCP sessions, and the block \`generator mcp\`, to your Prisma schema

  --schema PATH   schema file or folder (default: as in prisma.config.ts, else prisma/schema.prisma)
  --help          this text

As \`provider = "koa-mcp"\` of a generator, Prisma runs this command itself.
`;

if (process.env['PRISMA_GENERATOR_INVOCATION']) helper.generatorHandler({ onManifest: () => manifest, onGenerate: generate });
else await main();

async function main(): Promise<void> {
  const parsed = parseCommand();
  if (parsed === undefined) {
    process.stderr.write(usage);
    process.exitCode = 2;
    return;
  }
  if (parsed.help) {
    process.stdout.write(usage);
    return;
  }
  try {
    process.stdout.write(toReport(await init({ cwd: process.cwd(), schema: parsed.schema })));
  } catch (error) {
    process.stderr.write(`koa-mcp: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

function parseCommand(): { help: boolean; schema: string | undefined } | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { help: { type: 'boolean', short: 'h', default: false }, schema: { type: 'string' } },
    });
    if (!values.help && (positionals.length !== 1 || positionals[0] !== 'init')) return undefined;
    return { help: values.help, schema: values.schema };
  } catch (error) {
    process.stderr.write(`koa-mcp: ${error instanceof Error ? error.message : String(error)}\n\n`);
    return undefined;
  }
}

function toReport({ changes, warnings, output }: Awaited<ReturnType<typeof init>>): string {
  const warned = warnings.map(warning => `! ${warning}`);
  if (changes.length === 0) return `${['Your schema has all that koa-mcp needs.', ...warned].join('\n')}\n`;
  const folder = output?.split(path.sep).join('/');
  return `${[
    ...changes,
    ...warned,
    '',
    'Next:',
    '  npx prisma migrate dev --name mcp',
    '  npx prisma generate',
    ...(folder === undefined ? [] : [`  then pass \`datamodel\` from ${folder}/ to mcp({ prisma, datamodel, … })`]),
  ].join('\n')}\n`;
}
