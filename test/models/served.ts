import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import type { WhereLimits } from '../../src/models/arguments/where.ts';
import type { CompiledModels } from '../../src/models/compile.ts';
import { compileModels } from '../../src/models/compile.ts';
import type { ExposureLike } from '../../src/models/exposure.ts';
import type { CallContext, CallToolResult } from '../../src/protocol/definitions.ts';
import type { PrismaClient, Provider, TestDatabase } from '../support/database.ts';
import { openDatabase } from '../support/database.ts';

// JSON of any shape: what it looks like is what the tests assert.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Json = any;

/** Compiled models with what a test asks of them. Arguments that a tool takes, and its results, are held to its own schemas. */
export interface Served extends CompiledModels {
  /** Calls a tool, and gives its structured result. */
  readonly run: (tool: string, args?: object, ctx?: CallContext) => Promise<Json>;
  /** Calls a tool that must fail with an error the model may read, and gives its message. */
  readonly fail: (tool: string, args?: object, ctx?: CallContext) => Promise<string>;
  /** Reads a resource, by its URI and the template's variables, and gives its JSON. */
  readonly read: (key: string, variables?: Record<string, string>, ctx?: CallContext) => Promise<Json>;
}

/** The context of a call by this client of the seed; a guest without one. */
export function callOf(clientId?: number): CallContext {
  return { state: { user: clientId === undefined ? undefined : { clientId } } } as unknown as CallContext;
}

/** Who calls, as a policy sees it. */
export function userOf(ctx: CallContext): { clientId: number } | undefined {
  return (ctx as unknown as { state: { user?: { clientId: number } } }).state.user;
}

const guest = callOf();
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });

/** Limits that SQLite has no more than PostgreSQL. */
export const sameLimits: Partial<WhereLimits> = { maxListFilters: 10, maxListHops: 3, maxTextWork: 10_000 };

/** Compiles `models` over a database. */
export function serve(db: TestDatabase, models: Record<string, ExposureLike>, limits: Partial<WhereLimits> = sameLimits): Served {
  const compiled = compileModels({ name: 'test', prisma: db.prisma, datamodel: db.datamodel, models, limits });
  const inputs = new Map(compiled.tools.map(tool => [tool.name, ajv.compile(tool.inputSchema)]));
  const outputs = new Map(compiled.tools.map(tool => [tool.name, ajv.compile(tool.outputSchema ?? false)]));
  const call = async (name: string, args: object, ctx: CallContext): Promise<CallToolResult> => {
    const tool = compiled.tools.find(known => known.name === name);
    if (tool === undefined) throw new Error(`no tool ${name}`);
    // As it arrives: no undefined, no class.
    return tool.call(JSON.parse(JSON.stringify(args)), ctx);
  };
  return {
    ...compiled,
    run: async (name, args = {}, ctx = guest) => {
      const { content, structuredContent } = await call(name, args, ctx);
      const accepts = inputs.get(name);
      expect(accepts?.(JSON.parse(JSON.stringify(args))), JSON.stringify(accepts?.errors)).toBe(true);
      const [block] = content;
      expect(JSON.parse(block?.type === 'text' ? block.text : '')).toEqual(structuredContent);
      const validate = outputs.get(name);
      expect(validate?.(structuredContent), JSON.stringify(validate?.errors)).toBe(true);
      return structuredContent;
    },
    fail: async (name, args = {}, ctx = guest) => {
      const error: unknown = await call(name, args, ctx).then(
        ({ structuredContent }) => Promise.reject(new Error(`${name} answered ${JSON.stringify(structuredContent)}`)),
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ name: 'ToolError', expose: true });
      return (error as Error).message;
    },
    read: async (key, variables, ctx = guest) => {
      const uri = `test://${key}`;
      const definition = variables === undefined ? undefined : compiled.resourceTemplates.find(({ name }) => name === key);
      const result = await (variables === undefined
        ? compiled.resources.find(resource => resource.uri === uri)?.read(uri, ctx)
        : definition?.read(uri, variables, ctx));
      const text = result?.contents[0]?.text;
      return text === undefined ? undefined : JSON.parse(text);
    },
  };
}

/** A database with three clients, two rooms and seven bookings. Ada brought in Linus. */
export async function seeded(provider: Provider): Promise<TestDatabase> {
  const db = await openDatabase(provider, { record: true });
  await seed(db.prisma);
  db.queries.length = 0;
  return db;
}

/** In few queries, because it runs before almost every test: ids count from 1 in the order of the rows. */
async function seed(prisma: PrismaClient): Promise<void> {
  const [ada, grace, linus] = [1, 2, 3] as const;
  const secret = { passwordHash: 'x', joinedAt: new Date('2026-01-01T00:00:00Z') };
  await prisma.client.createMany({
    data: [
      { ...secret, email: 'ada@example.com', name: 'Ada', phone: '1', notes: 'vip' },
      { ...secret, email: 'grace@example.com', name: 'Grace' },
      { ...secret, email: 'linus@example.com', name: 'Linus', referredById: ada },
    ],
  });
  await prisma.room.createMany({
    data: [
      { id: 'red', code: 'R', capacity: 2 },
      { id: 'blue', code: 'B', capacity: 8, active: false },
    ],
  });
  const bookings = [
    [ada, 'red', 'CONFIRMED', 'window'],
    [ada, null, 'PENDING', null],
    [ada, 'blue', 'CANCELLED', 'late'],
    [grace, 'red', 'CONFIRMED', null],
    [grace, 'blue', 'PENDING', null],
    [linus, null, 'PENDING', 'window'],
    [linus, 'red', 'CANCELLED', null],
  ] as const;
  await prisma.booking.createMany({
    data: bookings.map(([clientId, roomId, status, internalNote], index) => {
      const startsAt = new Date(Date.UTC(2026, 2, 1 + index, 9));
      return { clientId, roomId, status, internalNote, startsAt, price: `${10 + index}.5`, meta: { index } };
    }),
  });
  await prisma.tag.create({ data: { label: 'gold', clients: { connect: [{ id: ada }, { id: grace }] } } });
  await prisma.membership.createMany({
    data: [
      { clientId: ada, roomId: 'red', level: 'full', slot: 1, expiresAt: new Date('2027-01-01T00:00:00Z') },
      { clientId: grace, roomId: 'red', level: 'full', slot: 2 },
      { clientId: grace, roomId: 'blue', level: 'half', slot: 3 },
    ],
  });
  await prisma.auditLog.createMany({
    data: [
      { id: 9007199254740991n, payload: new Uint8Array([0, 255, 10]), ratio: 0.1, actor: 'ada' },
      { id: -5n, payload: new Uint8Array(), ratio: -2 },
    ],
  });
}
