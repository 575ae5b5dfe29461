#!/usr/bin/env node
import path from 'node:path';
import { parseArgs } from 'node:util';
import helper from '@prisma/generator-helper';
import { check } from './check.ts';
import { generate, manifest } from './generator.ts';
import { init } from './init.ts';

const usage = `Usage: koa-mcp init [--schema PATH]
       koa-mcp check MODULE [--json] [--strict]

  init    adds the models that keep MCP sessions, and the block \`generator mcp\`, to your Prisma schema
  check   reports what the endpoint that MODULE exports exposes: models, columns, row policies, tools, tokens, limits of agents

  --schema PATH   schema file or folder (default: as in prisma.config.ts, else prisma/schema.prisma)
  --json          the report as JSON: an array with one report for each endpoint
  --strict        warnings fail the check too
  --help          this text

check ends with 0; with 1 if a limit is exceeded (or there is a warning, with --strict); with 2 if it cannot report.
As \`provider = "koa-mcp"\` of a generator, Prisma runs this command itself.
`;

type Command =
  | { readonly name: 'help' }
  | { readonly name: 'init'; readonly schema: string | undefined }
  | { readonly name: 'check'; readonly module: string; readonly json: boolean; readonly strict: boolean };

if (process.env['PRISMA_GENERATOR_INVOCATION']) helper.generatorHandler({ onManifest: () => manifest, onGenerate: generate });
else await main();

async function main(): Promise<void> {
  const command = parseCommand();
  const cwd = process.cwd();
  switch (command?.name) {
    case undefined:
      process.stderr.write(usage);
      process.exitCode = 2;
      return;
    case 'help':
      process.stdout.write(usage);
      return;
    case 'init':
      return init({ cwd, schema: command.schema }).then(
        result => void process.stdout.write(toReport(result)),
        (error: unknown) => fail(error, 1),
      );
    case 'check':
      return check({ ...command, cwd }).then(
        // The module may hold connections and timers, which would keep the process alive.
        ({ text, failed }) => void process.stdout.write(text, () => process.exit(failed ? 1 : 0)),
        (error: unknown) => fail(error, 2),
      );
  }
}

function fail(error: unknown, code: number): void {
  process.stderr.write(`koa-mcp: ${error instanceof Error ? error.message : String(error)}\n`, () => process.exit(code));
}

function parseCommand(): Command | undefined {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        schema: { type: 'string' },
        json: { type: 'boolean' },
        strict: { type: 'boolean' },
      },
    });
    const { help, schema, json, strict } = values;
    const [name, module, ...more] = positionals;
    if (help) return { name: 'help' };
    if (name === 'init' && module === undefined && json === undefined && strict === undefined) return { name, schema };
    if (name === 'check' && module !== undefined && more.length === 0 && schema === undefined) {
      return { name, module, json: json === true, strict: strict === true };
    }
    return undefined;
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
