import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
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
        "UrlElicitationRequired",
        "jwtVerifier",
        "live",
        "mcp",
        "memoryBus",
        "memoryStore",
        "pollingBus",
        "postgresBus",
        "prismaStore",
        "redisBus",
        "scopedClient",
        "sqliteAdapter",
        "type AuditOptions",
        "type AuthOptions",
        "type Bus",
        "type BusOptions",
        "type CacheHints",
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
        "type JwtVerifier",
        "type JwtVerifierOptions",
        "type LimitReport",
        "type Limits",
        "type ListQuery",
        "type ListedResource",
        "type ListedTask",
        "type McpContext",
        "type McpErrorOptions",
        "type McpMiddleware",
        "type McpOptions",
        "type McpReport",
        "type McpSessions",
        "type McpTasks",
        "type ModelReport",
        "type NewEvent",
        "type NodeStore",
        "type PollingBusOptions",
        "type PostgresBusOptions",
        "type Prompt",
        "type RateLimiter",
        "type ReadResourceResult",
        "type RedisBusOptions",
        "type RelationReport",
        "type ReportWarning",
        "type RequiredPage",
        "type Resource",
        "type Root",
        "type SampleParams",
        "type SampleResult",
        "type ScopesReport",
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
        "type Task",
        "type TaskInfo",
        "type TaskListQuery",
        "type TaskPatch",
        "type TaskStatus",
        "type TaskStore",
        "type TelemetryOptions",
        "type TemplateInstance",
        "type TemplateVariables",
        "type Tool",
        "type ToolReport",
        "type VerifiedJwt",
        "type VerifiedToken",
        "type WhereLimits",
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

  it.each(['McpOptions', 'SessionOptions', 'Limits', 'AuthOptions'])(
    'are on every member of %s, with @default unless it is required',
    type => {
      const wanting = [...membersOf('src/options.ts', type).values()].filter(
        ({ doc, isRequired, default: value }) => doc === '' || isRequired === (value !== undefined) || value === '',
      );
      expect(wanting).toEqual([]);
    },
  );

  it.each([
    ['src/host/tools.ts', 'Tool'],
    ['src/host/resources.ts', 'Resource'],
    ['src/host/prompts.ts', 'Prompt'],
    ['src/models/declaration/declaration.ts', 'DeclaredExposure'],
  ])('in %s never document a default of what is required', (file, type) => {
    expect([...membersOf(file, type).values()].filter(({ isRequired, default: value }) => isRequired && value !== undefined)).toEqual([]);
  });
});

/** Members and variables of type `number`, or that begin as a number, with the comment before them. */
function numbersOf(source: ts.SourceFile): { readonly name: string; readonly doc: string }[] {
  const found: { name: string; doc: string }[] = [];
  const visit = (node: ts.Node): void => {
    const isMember = ts.isPropertySignature(node) || ts.isVariableDeclaration(node);
    const isNumber =
      isMember &&
      (node.type?.kind === ts.SyntaxKind.NumberKeyword ||
        (ts.isVariableDeclaration(node) && node.initializer !== undefined && ts.isNumericLiteral(node.initializer)));
    if (isNumber) {
      const documented = ts.isVariableDeclaration(node) ? node.parent.parent : node;
      const doc = ts.getJSDocCommentsAndTags(documented).map(comment => comment.getText());
      found.push({ name: node.name.getText(), doc: doc.join(' ') });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

describe('names', () => {
  it('say milliseconds and bytes, wherever a comment says that a number counts them', () => {
    const wanting = [...sources].flatMap(([file, source]) =>
      numbersOf(source)
        .filter(({ name, doc }) => (/^\/\*\*[\s*]*Milliseconds/u.test(doc) || /\bin ms\b/u.test(doc)) && !/(?:Ms|At|Until)$/u.test(name))
        .concat(numbersOf(source).filter(({ name, doc }) => /^\/\*\*[\s*]*Bytes/u.test(doc) && !/Bytes$|^size$/u.test(name)))
        .map(({ name }) => `${file}: ${name}`),
    );
    expect(wanting).toEqual([]);
  });

  it.each(['SessionOptions', 'Limits'])('of all numbers in %s have a unit or are ceilings', type => {
    const numbers = numbersOf(sources.get('options.ts') as ts.SourceFile).map(({ name }) => name);
    const members = [...membersOf('src/options.ts', type).keys()].filter(name => numbers.includes(name));
    expect(members.length).toBeGreaterThan(5);
    expect(members.filter(name => !/^max[A-Z]|Ms$|Bytes$|Size$/u.test(name))).toEqual([]);
  });
});

describe("Prisma's error codes", () => {
  it('stand only in the files that turn errors of the database into what callers may know', () => {
    const knowing = [...sources].filter(([, source]) => /['/^]P(?:\d{4}|\(\?:1)/u.test(source.text)).map(([file]) => file);
    expect(knowing.toSorted()).toEqual(['models/queries/prisma-errors.ts', 'store/delegates.ts', 'store/outage.ts']);
  });
});

describe('tracked files', () => {
  const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);
  const texts = tracked
    .filter(file => /\.(?:[cm]?[jt]s|json|md|prisma|sh|svg)$|^\.ci\//u.test(file))
    .map(file => [file, read(file)] as const);

  it('name no path of one machine', () => {
    expect(texts.length).toBeGreaterThan(300);
    const wanting = texts.filter(([, text]) => /(?<![\w.$}~/-])\/(?:home|Users|root|work)\/\w/u.test(text)).map(([file]) => file);
    expect(wanting).toEqual([]);
  });

  it('name no issue by its number alone in a comment: a link says where to look', () => {
    const wanting = texts
      .filter(([file]) => file.endsWith('.ts'))
      .flatMap(([file, text]) =>
        text
          .split('\n')
          .filter(line => /^\s*(?:\/\/|\/?\*).*\b(?:issue|ticket|PR) ?#?\d/iu.test(line))
          .map(line => `${file}: ${line.trim()}`),
      );
    expect(wanting).toEqual([]);
  });
});

function read(file: string): string {
  return readFileSync(`${root}${file}`, 'utf8');
}
