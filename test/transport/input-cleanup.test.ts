import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { PrismaClient } from '../../generated/test/sqlite/client/client.ts';
import type { HandlerContext } from '../../src/index.ts';
import { seeded } from '../models/served.ts';
import { ModernClient } from '../support/modern.ts';
import { start } from '../support/server.ts';
import { accept, able as capabilities, questions, textOf } from './input-app.ts';

type Handler = (args: unknown, ctx: HandlerContext) => unknown;

const nameForm = { message: 'Your name?', requestedSchema: z.object({ name: z.string() }) };
const ask = (handler: Handler) => ({ tools: { ask: { description: 'Asks for a name', handler } } });
const answered = (requestState: string) => ({
  name: 'ask',
  requestState,
  inputResponses: { elicitation_create_1: accept({ name: 'Eve' }) },
});

describe('a handler that asks a question without an answer', () => {
  it('has closed everything that it had opened before its client is asked', async () => {
    const closed: string[] = [];
    const opened = (name: string) => ({
      [Symbol.asyncDispose]: async () => {
        await new Promise(setImmediate);
        closed.push(name);
      },
    });
    const handler: Handler = async (_, { mcp }) => {
      await using _resource = opened('using');
      try {
        await mcp.elicit(nameForm);
        closed.push('went on');
      } finally {
        await new Promise(setImmediate);
        closed.push(`finally, aborted: ${mcp.signal.aborted}`);
      }
      return 'done';
    };
    await using server = await start(ask(handler));
    const client = new ModernClient(server.url, { capabilities });
    const { requestState } = questions(await client.call('ask'));
    expect(closed.splice(0)).toEqual(['finally, aborted: true', 'using']);
    expect(textOf(await client.result('tools/call', answered(requestState)))).toBe('done');
    expect(closed).toEqual(['went on', 'finally, aborted: false', 'using']);
  });

  it.each(['sqlite', 'postgresql'] as const)(
    'in a transaction on %s rolls back what it has written there, and locks nothing',
    async provider => {
      await using db = await seeded(provider);
      const handler: Handler = async (_, ctx) => {
        const prisma = ctx.prisma as PrismaClient;
        return prisma.$transaction(async tx => {
          await tx.client.update({ where: { id: 1 }, data: { notes: 'asked' } });
          const answer = await ctx.mcp.elicit(nameForm);
          if (answer.action === 'accept') await tx.client.update({ where: { id: 1 }, data: { name: answer.content.name } });
          return 'written';
        });
      };
      await using server = await start({ ...ask(handler), prisma: db.prisma, datamodel: db.datamodel, models: { client: {} } });
      const client = new ModernClient(server.url, { capabilities });
      const { requestState } = questions(await client.call('ask'));
      const row = () => db.prisma.client.findUnique({ where: { id: 1 }, select: { name: true, notes: true } });
      expect(await row()).toEqual({ name: 'Ada', notes: 'vip' });
      await db.prisma.client.update({ where: { id: 1 }, data: { notes: 'free' } });
      expect(textOf(await client.result('tools/call', answered(requestState)))).toBe('written');
      expect(await row()).toEqual({ name: 'Eve', notes: 'asked' });
    },
  );

  it.each<[string, Handler]>([
    ['returns something', () => 'swallowed'],
    ['throws another error', (_, ctx) => ctx.throw(409, 'other')],
    ['asks again', (_, { mcp }) => mcp.elicit({ ...nameForm, key: 'again' })],
  ])('and then %s does not keep its question from its client', async (_, then) => {
    const handler: Handler = async (args, ctx) => {
      try {
        return await ctx.mcp.elicit(nameForm);
      } catch {
        return await then(args, ctx);
      }
    };
    await using server = await start(ask(handler));
    const client = new ModernClient(server.url, { capabilities });
    expect(questions(await client.call('ask')).keys).toEqual(['elicitation_create_1']);
  });

  it('may await only the first of several questions', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      const handler: Handler = async (_, { mcp }) => {
        const [name, roots] = [mcp.elicit(nameForm), mcp.roots()];
        await name;
        return roots;
      };
      await using server = await start(ask(handler));
      const client = new ModernClient(server.url, { capabilities });
      expect(questions(await client.call('ask')).keys).toEqual(['elicitation_create_1', 'roots_list_1']);
      await new Promise(setImmediate);
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  });
});
