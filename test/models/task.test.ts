import { describe, expect, it } from 'vitest';
import { tasksExtension } from '../../src/protocol/revisions.ts';
import { describeDatabases } from '../support/database.ts';
import { ModernClient } from '../support/modern.ts';
import { start } from '../support/server.ts';
import type { Json } from './served.ts';
import { seeded, serve } from './served.ts';

const capabilities = { elicitation: { form: {} }, extensions: { [tasksExtension]: {} } };
const operations = ['findMany', 'createMany', 'deleteMany'] as const;

describeDatabases('operations that run as tasks', provider => {
  const open = async (models: Json) => {
    const db = await seeded(provider);
    const server = await start({ prisma: db.prisma, datamodel: db.datamodel, models, sessions: { lookMs: 50 } });
    const client = new ModernClient(server.url, { capabilities });
    const ended = async (taskId: string) => {
      const get = () => client.result('tasks/get', { taskId });
      await expect.poll(async () => (await get()).status, { timeout: 10_000 }).toMatch(/completed|failed/u);
      return get();
    };
    const dispose = async () => {
      await server[Symbol.asyncDispose]();
      await db.close();
    };
    return { db, client, ended, [Symbol.asyncDispose]: dispose };
  };

  it('give the result of a plain call, within the policy of the caller', async () => {
    await using app = await open({ booking: { operations, task: ['findMany', 'createMany'], where: { status: 'CONFIRMED' } } });
    const { db, client, ended } = app;
    const { taskId } = await client.call('booking_findMany', {});
    const { status, result } = await ended(taskId);
    const plain = await client.call('booking_findMany', {}, { capabilities: {} });
    expect([status, result.structuredContent]).toEqual(['completed', plain.structuredContent]);
    const before = await db.prisma.booking.count();
    const row = { clientId: 1, startsAt: '2026-01-01T00:00:00Z', price: '1' };
    const created = await client.call('booking_createMany', { data: [{ ...row, status: 'PENDING' }] });
    expect((await ended(created.taskId)).result.isError).toBe(true);
    const allowed = await client.call('booking_createMany', { data: [{ ...row, status: 'CONFIRMED' }] });
    expect((await ended(allowed.taskId)).result.structuredContent).toMatchObject({ count: 1 });
    expect(await db.prisma.booking.count()).toBe(before + 1);
  });

  it('ask their user to confirm in the task, and run once that is done', async () => {
    await using app = await open({ booking: { operations, task: ['deleteMany'], confirm: ['deleteMany'] } });
    const { db, client, ended } = app;
    const before = await db.prisma.booking.count();
    const { taskId } = await client.call('booking_deleteMany', { where: { id: 1 } });
    await expect.poll(async () => (await client.result('tasks/get', { taskId })).status).toBe('input_required');
    const { inputRequests } = await client.result('tasks/get', { taskId });
    const [[key, question]] = Object.entries(inputRequests) as [[string, Json]];
    expect(question.params.message).toMatch(/^Delete 1 /u);
    expect(await db.prisma.booking.count()).toBe(before);
    await client.result('tasks/update', { taskId, inputResponses: { [key]: { action: 'accept', content: { confirm: true } } } });
    expect((await ended(taskId)).result.structuredContent).toMatchObject({ count: 1 });
    expect(await db.prisma.booking.count()).toBe(before - 1);
  });
});

describe('the option `task` of a model', () => {
  it('names operations of the model that have tools of their own', async () => {
    await using db = await seeded('sqlite');
    const compiled = (declared: Json) => () => serve(db, { booking: { operations: ['findMany', 'create'], ...declared } });
    expect(compiled({ task: ['delete'] })).toThrow(
      'models.booking.task: there is no `delete` to run as a task; the operations are findMany, create',
    );
    expect(compiled({ task: 'create' })).toThrow('models.booking.task: expected an array of findMany, create');
    expect(compiled({ task: ['create'], style: 'compact' })).toThrow("models.booking.task: the generic tools of style 'compact'");
    const { tools } = compiled({ task: ['create'] })();
    expect(tools.map(({ name, execution }) => [name, execution?.taskSupport])).toEqual([
      ['booking_findMany', undefined],
      ['booking_create', 'optional'],
    ]);
  });
});
