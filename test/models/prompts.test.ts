import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { datamodel } from '../../generated/test/sqlite/mcp/datamodel.ts';
import { mcp, memoryStore } from '../../src/index.ts';
import { modelGraph } from '../../src/models/datamodel/graph.ts';
import { resolveExposures } from '../../src/models/exposure.ts';
import type { CallContext, PromptDefinition } from '../../src/protocol/definitions.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeDatabases } from '../support/database.ts';
import type { Json, Served } from './served.ts';
import { callOf, seeded, serve, userOf } from './served.ts';

describeDatabases('prompts of models', provider => {
  let db: TestDatabase;
  let served: Served;
  beforeAll(async () => {
    db = await seeded(provider);
    served = serve(db, {
      client: { omit: { phone: true }, where: (ctx: never) => ({ id: { lte: userOf(ctx)?.clientId ?? 0 } }) },
      booking: {
        omit: { internalNote: true, price: true },
        where: async (ctx: never) => ({ clientId: userOf(ctx)?.clientId ?? 0 }),
        include: { client: { select: { name: true } } },
        prompts: {
          summary: {
            title: 'Summary',
            description: 'Summarise a booking',
            message: (row: Json, ctx: CallContext) => `Summarise this booking of ${row.client.name} for client ${userOf(ctx)?.clientId}.`,
          },
          columns: { description: 'Lists columns', message: async (row: Json) => Object.keys(row).join() },
          plain: { description: 'Constant words', message: 'Read this.' },
          talk: {
            description: 'Several messages',
            message: () => [
              { role: 'user', content: { type: 'text', text: 'Summarise' } },
              { role: 'assistant', content: { type: 'text', text: 'Here it is:' } },
            ],
          },
          silent: { description: 'No words', message: () => [] },
          changing: { description: 'Changes the row', message: (row: Json) => `${Object.assign(row, { id: 4 }).id}` },
          failing: {
            description: 'Fails',
            message: () => {
              throw new Error('no words');
            },
          },
        },
      },
      room: { prompts: { check: { description: 'By code', key: 'code', message: (row: Json) => `Check ${row.id}` } } },
      membership: { prompts: { explain: { description: 'A compound key', message: (row: Json) => `Explain ${row.level}` } } },
      tag: { operations: ['findUnique'], prompts: { name: { description: 'No list', message: 'Name it' } } },
    });
    db.queries.length = 0;
  });
  afterAll(() => db.close());

  const prompt = (name: string): PromptDefinition => served.prompts.find(known => known.name === name) as PromptDefinition;
  const get = (name: string, args: Record<string, string>, caller?: number) => prompt(name).get(args, callOf(caller));
  const complete = async (name: string, argument: string, typed: string, caller = 1) =>
    (await prompt(name).complete?.[argument]?.(typed, callOf(caller), {}))?.values;

  it('are named after the model, with the columns of a key as arguments', () => {
    expect(served.prompts.map(({ name, arguments: args }) => [name, args?.map(argument => argument.name)])).toEqual([
      ...['summary', 'columns', 'plain', 'talk', 'silent', 'changing', 'failing'].map(name => [`booking_${name}`, ['id']]),
      ['room_check', ['code']],
      ['membership_explain', ['clientId', 'roomId']],
      ['tag_name', ['id']],
    ]);
    expect(prompt('booking_summary')).toMatchObject({
      title: 'Summary',
      description: 'Summarise a booking',
      arguments: [{ required: true }],
    });
    expect(prompt('booking_plain').title).toBeUndefined();
  });

  it('say the host’s words, then the row with the text of its resource', async () => {
    const { description, messages } = await get('booking_summary', { id: '1' }, 1);
    const template = served.resourceTemplates.find(({ name }) => name === 'booking');
    const resource: Json = (await template?.read('test://booking/1', { id: '1' }, callOf(1)))?.contents[0];
    expect(description).toBe('Summarise a booking');
    expect(messages).toEqual([
      { role: 'user', content: { type: 'text', text: 'Summarise this booking of Ada for client 1.' } },
      { role: 'user', content: { type: 'resource', resource } },
    ]);
    expect(JSON.parse(resource.text)).toMatchObject({ id: 1, client: { name: 'Ada' } });
  });

  it('give the words the row as its caller sees it', async () => {
    const [{ content }] = (await get('booking_columns', { id: '1' }, 1)).messages as [Json];
    expect(content.text.split(',').toSorted()).toEqual(['client', 'clientId', 'id', 'meta', 'roomId', 'startsAt', 'status']);
    expect(JSON.stringify(await get('booking_columns', { id: '1' }, 1))).not.toMatch(/window|internalNote|price/);
  });

  it('put the row behind the first of several messages, and alone where there is none', async () => {
    const { messages } = await get('booking_talk', { id: '2' }, 1);
    expect(messages.map(({ role, content }) => [role, content.type])).toEqual([
      ['user', 'text'],
      ['user', 'resource'],
      ['assistant', 'text'],
    ]);
    expect((await get('booking_silent', { id: '2' }, 1)).messages).toMatchObject([{ content: { resource: { uri: 'test://booking/2' } } }]);
    expect((await get('booking_plain', { id: '2' }, 1)).messages[0]).toEqual({
      role: 'user',
      content: { type: 'text', text: 'Read this.' },
    });
  });

  it('show the row that was read, whatever the host does with it', async () => {
    const [words, row] = (await get('booking_changing', { id: '1' }, 1)).messages as [Json, Json];
    expect(words.content.text).toBe('4');
    expect(JSON.parse(row.content.resource.text)).toMatchObject({ id: 1 });
  });

  it.each(['4', '99', 'x', '01', '', '1.5', '99999999999', '\0'])('refuse the hidden, missing or malformed id %j alike', async id => {
    await expect(get('booking_summary', { id }, 1)).rejects.toMatchObject({
      code: -32602,
      message: `Invalid params: there is no Booking with id ${JSON.stringify(id)}`,
    });
  });

  it('read by another unique key, or by one of several columns, and name the row by its URI', async () => {
    const [words, row] = (await get('room_check', { code: 'B' })).messages as [Json, Json];
    expect([words.content.text, row.content.resource.uri]).toEqual(['Check blue', 'test://room/blue']);
    await expect(get('room_check', { code: 'blue' })).rejects.toThrow('there is no Room with code "blue"');
    const [level, membership] = (await get('membership_explain', { clientId: '2', roomId: 'blue' })).messages as [Json, Json];
    expect([level.content.text, membership.content.resource.uri]).toEqual(['Explain half', 'test://membership/2/blue']);
    await expect(get('membership_explain', { clientId: '2' })).rejects.toThrow('there is no Membership with clientId "2" and roomId ""');
  });

  it('fail with the host’s error', async () => {
    await expect(get('booking_failing', { id: '1' }, 1)).rejects.toThrow('no words');
  });

  it('complete their arguments from the rows that the caller sees, if the caller may list them', async () => {
    expect(await complete('booking_summary', 'id', '')).toEqual(['1', '2', '3']);
    expect(await complete('booking_summary', 'id', '', 2)).toEqual(['4', '5']);
    expect(await complete('booking_summary', 'id', '4')).toEqual([]);
    expect(await complete('room_check', 'code', 'R')).toEqual(['R']);
    expect(prompt('tag_name').complete).toBeUndefined();
  });

  it('read one row in one query', async () => {
    db.queries.length = 0;
    await get('room_check', { code: 'B' });
    expect(db.queries.map(({ model, operation }) => [model, operation])).toEqual([['Room', 'findUnique']]);
  });
});

describe('a declaration of prompts', () => {
  const prompt = { description: 'Under test', message: 'Read this.' };
  const fault = (prompts: unknown, rest: object = {}) => {
    try {
      resolveExposures({ client: { prompts, ...rest } }, modelGraph(datamodel));
      return undefined;
    } catch (error) {
      return error instanceof TypeError ? error.message : error;
    }
  };

  it.each<[prompts: unknown, message: string]>([
    [5, 'models.client.prompts: expected an object whose keys are the names of prompts'],
    [
      { x: { ...prompt, handler: 1 } },
      'models.client.prompts.x.handler: unknown option (description, title, key, message, icons, _meta, enabled)',
    ],
    [{ x: { message: 'x' } }, 'models.client.prompts.x.description: say what the prompt is for'],
    [{ x: { description: 'x' } }, 'models.client.prompts.x.message: expected the words of the prompt, or a function (row, ctx) => words'],
    [{ x: { ...prompt, title: 1 } }, 'models.client.prompts.x.title: expected a string'],
    [{ x: { ...prompt, enabled: true } }, 'models.client.prompts.x.enabled: expected a function (ctx) => boolean'],
    [{ x: { ...prompt, key: 'name' } }, 'models.client.prompts.x.key: Client has no unique key `name` of visible columns (id, email)'],
    [{ 'x y': prompt }, 'models.client.prompts.x y: the name must be 1 to 64 letters, digits, `_`, `.` and `-`'],
  ])('%j is refused at start-up', (prompts, message) => {
    expect(fault(prompts)).toBe(message);
  });

  it('needs a visible key, and the operation that reads one row', () => {
    expect(fault({ x: { ...prompt, key: 'email' } }, { omit: { email: true } })).toBe(
      'models.client.prompts.x.key: Client has no unique key `email` of visible columns (id)',
    );
    expect(fault({ x: prompt }, { operations: ['findMany'] })).toBe(
      'models.client.prompts: a prompt reads one row; add findUnique to operations, or leave prompts out',
    );
  });

  it('must not take the name of another prompt', () => {
    const prisma = Object.fromEntries(Object.values(datamodel.models).map(({ key }) => [key, { findMany: () => [] }]));
    const start = (prompts: object) => {
      const own: object = { prisma, datamodel, models: { client: { prompts: { summary: prompt } } }, sessions: { store: memoryStore() } };
      return () => mcp({ name: 'shop', ...own, prompts } as never);
    };
    expect(start({ client_summary: { description: 'x', handler: () => 'x' } })).toThrow(
      'prompts.client_summary: `models` make one of this name; rename this one, or change `prompts` of the model',
    );
    expect(start({})().report()).toMatchObject({
      prompts: [{ name: 'client_summary', from: 'models' }],
      models: [{ prompts: ['client_summary'] }],
    });
  });
});
