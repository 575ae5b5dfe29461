import { readdirSync } from 'node:fs';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import * as koaMcp from '../src/index.ts';
import { membersOf } from './readme/declarations.ts';
import { root } from './readme/readme.ts';

const files = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'));
const sources = new Map(
  files.map(file => [file, ts.createSourceFile(file, ts.sys.readFile(`${root}src/${file}`) ?? '', ts.ScriptTarget.Latest, true)]),
);

/** The names a file exports, `type` before those that are gone at run time. */
function exportsOf(source: ts.SourceFile | undefined): string[] {
  return (source?.statements ?? ([] as ts.Statement[])).flatMap(statement => {
    if (!ts.isExportDeclaration(statement) || statement.exportClause === undefined || !ts.isNamedExports(statement.exportClause)) return [];
    return statement.exportClause.elements.map(
      ({ isTypeOnly, name }) => `${statement.isTypeOnly || isTypeOnly ? 'type ' : ''}${name.text}`,
    );
  });
}

/** `export` declarations of a file, by name. */
function declarationsOf(source: ts.SourceFile): [string, ts.Node][] {
  return source.statements.flatMap((statement): [string, ts.Node][] => {
    if (!ts.canHaveModifiers(statement) || !ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map(({ name }) => [name.getText(), statement]);
    return [[(statement as ts.DeclarationStatement).name?.getText() ?? '', statement]];
  });
}

describe('koa-mcp', () => {
  it('exports these names and no other', () => {
    expect(exportsOf(sources.get('index.ts')).toSorted()).toMatchInlineSnapshot(`
      [
        "McpError",
        "StoreUnavailable",
        "ToolError",
        "mcp",
        "memoryBus",
        "memoryStore",
        "pollingBus",
        "postgresBus",
        "prismaStore",
        "redisBus",
        "scopedClient",
        "sqliteAdapter",
        "type Bus",
        "type BusOptions",
        "type CallToolResult",
        "type Complete",
        "type ContentBlock",
        "type Continuation",
        "type ContinuationStore",
        "type Datamodel",
        "type DefinitionReport",
        "type ElicitForm",
        "type ElicitResult",
        "type ElicitUrl",
        "type EndedSession",
        "type EventStore",
        "type FindQuery",
        "type GetPromptResult",
        "type HandlerContext",
        "type HiddenColumn",
        "type LimitReport",
        "type Limits",
        "type ListQuery",
        "type McpContext",
        "type McpErrorOptions",
        "type McpMiddleware",
        "type McpOptions",
        "type McpReport",
        "type McpSessions",
        "type ModelReport",
        "type NewEvent",
        "type NodeStore",
        "type PollingBusOptions",
        "type PostgresBusOptions",
        "type Prompt",
        "type ReadResourceResult",
        "type RedisBusOptions",
        "type RelationReport",
        "type ReportWarning",
        "type Resource",
        "type Root",
        "type SampleParams",
        "type SampleResult",
        "type Session",
        "type SessionEvent",
        "type SessionInfo",
        "type SessionOptions",
        "type SessionPage",
        "type SessionPatch",
        "type SessionQuery",
        "type SessionStore",
        "type SessionTransport",
        "type SqliteAdapterFactory",
        "type SqliteAdapterOptions",
        "type Store",
        "type StoredEvent",
        "type TailQuery",
        "type TailedEvent",
        "type Tool",
        "type ToolReport",
      ]
    `);
  });

  it('exports its values at run time', () => {
    const values = exportsOf(sources.get('index.ts')).filter(name => !name.startsWith('type '));
    expect(Object.keys(koaMcp).toSorted()).toEqual(values.toSorted());
  });

  it('has no default export anywhere', () => {
    const named = [...sources].filter(([, source]) => source.statements.some(ts.isExportAssignment)).map(([file]) => file);
    expect(named).toEqual([]);
  });
});

describe('docstrings', () => {
  it('are on every exported symbol, in at most 12 lines', () => {
    const wanting = [...sources].flatMap(([file, source]) =>
      declarationsOf(source).flatMap(([name, node]) => {
        // Two more for the lines that open and close it.
        const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
        const lines = docs.map(doc => doc.getText().split('\n').length).reduce((sum, count) => sum + count, 0);
        return lines === 0 || lines > 14 ? [`${file}: ${name} (${lines} lines)`] : [];
      }),
    );
    expect(wanting).toEqual([]);
  });

  it.each(['McpOptions', 'SessionOptions', 'Limits'])('are on every member of %s, with @default unless it is required', type => {
    const wanting = [...membersOf('src/options.ts', type).values()].filter(
      ({ doc, isRequired, default: value }) => doc === '' || isRequired === (value !== undefined) || value === '',
    );
    expect(wanting).toEqual([]);
  });

  it.each([
    ['src/host/tools.ts', 'Tool'],
    ['src/host/resources.ts', 'Resource'],
    ['src/host/prompts.ts', 'Prompt'],
    ['src/models/declaration.ts', 'DeclaredExposure'],
  ])('in %s never document a default of what is required', (file, type) => {
    expect([...membersOf(file, type).values()].filter(({ isRequired, default: value }) => isRequired && value !== undefined)).toEqual([]);
  });
});
