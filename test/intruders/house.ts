import { EventEmitter, once } from 'node:events';
import { z } from 'zod';
import { live } from '../../src/index.ts';
import type { Json } from '../security/world.ts';
import { callerOf, fill, signIn } from '../security/world.ts';
import type { PrismaClient } from '../support/database.ts';
import { openDatabase } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';

/** The client whose things are stolen, and the other one who steals. Their ids are those of `fill`. */
export const victim = 2;
export const stranger = 1;

/** Tools, resources and rows that belong to somebody, served over SQLite. */
export interface House extends AsyncDisposable {
  readonly server: TestServer;
  /** Its writes notify subscribers. */
  readonly prisma: PrismaClient;
  /** Waits until the call of `wait` with this key runs. */
  began(key: string): Promise<void>;
  /** Lets it end. */
  finish(key: string): void;
}

/** Tools that only the victim may use. They make its list longer than a page. */
const own = Array.from({ length: 6 }, (_, index) => [
  `own_${index}`,
  { description: 'Is for the victim', enabled: (ctx: unknown) => callerOf(ctx) === victim, handler: () => 'own' },
]);

export async function openHouse(): Promise<House> {
  const db = await openDatabase('sqlite');
  await fill(db.prisma);
  const prisma = live(db.prisma);
  const happened = new EventEmitter();
  const running = new Set<string>();
  const tools: Json = {
    whoami: { description: 'Says who calls', handler: (_: unknown, ctx: unknown) => String(callerOf(ctx)) },
    talk: {
      description: 'Logs twice',
      handler: (_: unknown, { mcp }: Json) => {
        mcp.log('info', 'first');
        mcp.log('info', 'second');
        return 'talked';
      },
    },
    form: {
      description: 'Asks with a form',
      handler: async (_: unknown, { mcp }: Json) =>
        JSON.stringify(await mcp.elicit({ message: 'Sure?', requestedSchema: z.object({ sure: z.boolean() }) })),
    },
    think: {
      description: 'Asks the model of the client',
      handler: async (_: unknown, { mcp }: Json) => (await mcp.sample({ messages: [], maxTokens: 5 })).model,
    },
    wait: {
      description: 'Runs until it is told to end, or is aborted',
      inputSchema: z.object({ key: z.string() }),
      handler: async ({ key }: { key: string }, { mcp }: Json) => {
        const end = new Promise<string>(resolve => {
          mcp.signal.addEventListener('abort', () => resolve('aborted'));
          happened.once(`finish ${key}`, () => resolve('finished'));
        });
        running.add(key);
        happened.emit(`began ${key}`);
        return end;
      },
    },
    ...Object.fromEntries(own),
  };
  const models: Json = {
    booking: {
      operations: ['findMany', 'findUnique', 'create', 'update'],
      where: (ctx: never) => ({ clientId: callerOf(ctx) }),
      idempotent: ['create'],
      take: 2,
    },
    room: { operations: ['update'], confirm: ['update'] },
  };
  const server = await start(
    {
      prisma,
      datamodel: db.datamodel,
      models,
      tools,
      resources: { mark: { uriTemplate: 'test://mark/{name}', handler: ({ name }) => name } },
      operators: ctx => callerOf(ctx) === 3,
      sessions: { lookMs: 50 },
      limits: { pageSize: 10 },
    },
    { before: [signIn] },
  );
  return {
    server,
    prisma,
    began: async key => {
      if (!running.has(key)) await once(happened, `began ${key}`);
    },
    finish: key => void happened.emit(`finish ${key}`),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await db.close();
    },
  };
}
