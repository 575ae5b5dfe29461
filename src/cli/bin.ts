#!/usr/bin/env node
import helper from '@prisma/generator-helper';
import { didYouMean } from '../models/near-names.ts';
import { checkCommand } from './check.ts';
import type { Command } from './command-line.ts';
import { helpOf, overview, parseCommand, UsageError, usageOf } from './command-line.ts';
import { doctorCommand } from './doctor.ts';
import { fingerprintCommand } from './fingerprint.ts';
import { generate, manifest } from './generator.ts';
import { initCommand } from './init.ts';
import { inspectCommand } from './inspect.ts';

const commands: readonly Command[] = [initCommand, checkCommand, doctorCommand, inspectCommand, fingerprintCommand];

if (process.env['PRISMA_GENERATOR_INVOCATION']) helper.generatorHandler({ onManifest: () => manifest, onGenerate: generate });
else await main(process.argv.slice(2));

async function main([name, ...args]: readonly string[]): Promise<void> {
  if (name === '--help' || name === '-h' || name === 'help') return end(overview(commands), 0);
  const command = commands.find(each => each.name === name);
  if (command === undefined) {
    const names = commands.map(each => each.name);
    const problem = name === undefined ? '' : `koa-mcp: unknown command ${name}${didYouMean(name, names)}\n\n`;
    return fail(`${problem}${overview(commands)}`, 2);
  }
  try {
    const given = parseCommand(command, args, process.cwd());
    if (given === 'help') return end(helpOf(command), 0);
    const { text, code } = await command.run(given);
    end(text, code);
  } catch (error) {
    const message = `koa-mcp: ${error instanceof Error ? error.message : String(error)}\n`;
    if (error instanceof UsageError) fail(`${message}\n${usageOf(command)}\n\`koa-mcp ${command.name} --help\` explains it.\n`, 2);
    else fail(message, command.failure);
  }
}

/** A module of the app may hold connections and timers, which would keep the process alive. */
function end(text: string, code: number): void {
  process.stdout.write(text, () => process.exit(code));
}

function fail(text: string, code: number): void {
  process.stderr.write(text, () => process.exit(code));
}
