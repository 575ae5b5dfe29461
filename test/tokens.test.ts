import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { datamodel as example } from '../example-app/generated/sqlite/mcp/datamodel.ts';
import { datamodel as postgresql } from '../generated/test/postgresql/mcp/datamodel.ts';
import { datamodel as sqlite } from '../generated/test/sqlite/mcp/datamodel.ts';
import { compileTools } from '../src/host/tools.ts';
import { compileModels } from '../src/models/compile.ts';
import type { Datamodel, DatamodelModel } from '../src/models/datamodel/datamodel.ts';
import type { Style } from '../src/models/declaration/declaration.ts';
import { operationNames, writesOf } from '../src/models/declaration/operations.ts';
import type { ToolDefinition } from '../src/protocol/definitions.ts';
import { estimateTokens } from '../src/tokens.ts';

const textOf = ({ name, description, inputSchema }: ToolDefinition) => JSON.stringify({ name, description, inputSchema });
const ratio = (text: string) => estimateTokens(text) / countTokens(text);

/** The tools of all models of a datamodel, with those of its first operations that Prisma has for them. */
function toolsOf(datamodel: Datamodel, operations: number, style?: Style): readonly ToolDefinition[] {
  const exposed = Object.values(datamodel.models).filter(({ name }) => !name.startsWith('Mcp'));
  const declared = ({ key, missing = [] }: DatamodelModel) => ({
    operations: operationNames.slice(0, operations).filter(name => !writesOf(name).some(write => missing.includes(write))),
    ...(key === 'client' && { data: () => ({}) }),
  });
  return compileModels({
    name: 'test',
    prisma: Object.fromEntries(exposed.map(({ key }) => [key, { findMany: () => [] }])),
    datamodel,
    models: Object.fromEntries(exposed.map(model => [model.key, declared(model)])),
    style,
  }).tools;
}

describe('the estimate of tokens, against o200k_base', () => {
  it.each([
    ['SQLite', sqlite, 3],
    ['SQLite', sqlite, operationNames.length],
    ['PostgreSQL', postgresql, 3],
    ['PostgreSQL', postgresql, operationNames.length],
    ['the example', example, 3],
    ['the example', example, operationNames.length],
  ] as [string, Datamodel, number][])('is at most 15 percent off for the tools of %s', (...[, datamodel, operations]) => {
    const texts = toolsOf(datamodel, operations).map(textOf);
    expect(texts.length).toBeGreaterThanOrEqual(2 * operations);
    expect(Math.abs(ratio(texts.join('\n')) - 1)).toBeLessThan(0.15);
    for (const text of texts) expect(Math.abs(ratio(text) - 1), text).toBeLessThan(0.2);
  });

  it('is at most 15 percent off for the tools of compact models', () => {
    const text = toolsOf(sqlite, operationNames.length, 'compact').map(textOf).join('\n');
    expect(Math.abs(ratio(text) - 1)).toBeLessThan(0.15);
  });

  it('is at most 15 percent off for tools of the app’s own, whose schemas may hold patterns', () => {
    const description = 'Books a table for some people at a date. Call it only after the guest has agreed to the terms of the house.';
    const handler = () => 'done';
    const tools = compileTools({
      none: { description, handler },
      plain: { description, handler, inputSchema: z.object({ people: z.int().min(1).max(20), note: z.string().max(1000).optional() }) },
      patterns: {
        description,
        handler,
        inputSchema: z.object({ at: z.iso.datetime(), day: z.iso.date(), email: z.email(), id: z.uuid() }),
      },
    });
    for (const text of tools.map(textOf)) expect(Math.abs(ratio(text) - 1), text).toBeLessThan(0.15);
  });

  it.each([
    ['German', 'Bucht einen Tisch für heute Abend und gibt die Bestätigungsnummer zurück. Vorher fragt das Werkzeug die Benutzerin.'],
    ['Chinese', '为今晚预订餐桌并返回确认号码。在预订之前，该工具会询问用户是否同意。'],
    ['Japanese', '今夜のテーブルを予約し、確認番号を返します。予約の前に、ツールはユーザーに同意を求めます。'],
  ])('is at most 15 percent off for %s', (_language, text) => {
    expect(Math.abs(ratio(text) - 1)).toBeLessThan(0.15);
  });

  it('is 0 for no text', () => {
    expect(estimateTokens('')).toBe(0);
  });
});
