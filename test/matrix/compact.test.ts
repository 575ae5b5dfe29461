import { afterAll, beforeAll, expect, it } from 'vitest';
import { seeded } from '../models/served.ts';
import { serveCompact } from '../support/compact.ts';
import type { TestDatabase } from '../support/database.ts';
import type { TestServer } from '../support/server.ts';
import type { Peer } from './peer.ts';
import { connect } from './peer.ts';
import { describeRevisions } from './revisions.ts';

describeRevisions('a compact endpoint', row => {
  let db: TestDatabase;
  let server: TestServer;
  let peer: Peer;
  beforeAll(async () => {
    db = await seeded('sqlite');
    server = await serveCompact(db);
    peer = await connect(server.url, row);
  });
  afterAll(async () => {
    await server[Symbol.asyncDispose]();
    await db.close();
  });

  const result = async (method: string, params: Record<string, unknown>) => (await peer.request(method, params)).response.result;
  const call = (name: string, args: object) => result('tools/call', { name, arguments: args });
  /** The structured result of a call. In revisions without structured content its text is the same. */
  const ask = async (name: string, args: object) => {
    const { content, structuredContent, isError } = await call(name, args);
    if (isError === true) return `error: ${content[0].text}`;
    const parsed = JSON.parse(content[0].text);
    expect(structuredContent).toEqual(row.structuredContent === 'absent' ? undefined : parsed);
    return parsed;
  };

  it('lists the generic tools, the tools of models that have their own, and the host’s', async () => {
    const { tools } = await result('tools/list', {});
    const hints = tools.map(
      ({ name, annotations }: { name: string; annotations?: { readOnlyHint?: boolean; destructiveHint?: boolean } }) => [
        name,
        annotations?.readOnlyHint,
        annotations?.destructiveHint,
      ],
    );
    const shown = row.fields.tool.includes('annotations');
    const hint = (...values: boolean[]) => (shown ? values : [undefined, undefined]);
    expect(hints).toEqual([
      ['my_bookings', undefined, undefined],
      ['room_findUnique', ...hint(true, false)],
      ['room_findMany', ...hint(true, false)],
      ['room_count', ...hint(true, false)],
      ['find_models', ...hint(true, false)],
      ['describe_model', ...hint(true, false)],
      ['read_rows', ...hint(true, false)],
      ['create_rows', ...hint(false, false)],
      ['update_rows', ...hint(false, true)],
      ['delete_rows', ...hint(false, true)],
    ]);
  });

  it('leads from a word to rows, and to a row that is written, changed and deleted', async () => {
    const { models } = await ask('find_models', { query: 'bookings' });
    const [{ model }] = models;
    const { operations } = await ask('describe_model', { model });
    expect(operations.map(({ operation, tool }: Record<string, string>) => [operation, tool])).toContainEqual(['create', 'create_rows']);
    const page = await ask('read_rows', { model, operation: 'findMany', where: { status: { not: 'CANCELLED' } }, select: { id: true } });
    expect(page).toEqual({ rows: [{ id: 1 }, { id: 2 }] });
    const data = { startsAt: '2026-07-01T09:00:00Z', price: '5' };
    const { id, client } = await ask('create_rows', { model, operation: 'create', data });
    expect(client).toEqual({ name: 'Ada' });
    expect(await ask('update_rows', { model, operation: 'update', where: { id }, data: { price: '7.5' } })).toMatchObject({
      id,
      price: '7.5',
    });
    expect(await ask('delete_rows', { model, operation: 'delete', where: { id } })).toMatchObject({ id, price: '7.5' });
    expect(await ask('read_rows', { model, operation: 'count' })).toEqual({ count: 3 });
  });

  it('hides rows, columns and models', async () => {
    const read = (args: object) => ask('read_rows', args);
    expect(await read({ model: 'booking', operation: 'findUnique', where: { id: 4 } })).toBe('error: not found: no Booking matches where');
    expect(await read({ model: 'client', operation: 'count', where: { notes: 'vip' } })).toMatch(
      /^error: where\.notes: Client has no column/,
    );
    expect(await read({ model: 'tag', operation: 'count' })).toBe('error: model: there is no model "tag"; find_models finds the models');
    expect(await ask('delete_rows', { model: 'client', operation: 'delete', where: { id: 1 } })).toMatch(
      /^error: operation: client has no operation "delete"; the tools of client are read_rows \(findUnique, findMany, count\)$/,
    );
    expect(await ask('my_bookings', {})).toEqual({ bookings: 3 });
  });

  it('names the tool to call instead of one that does not exist', async () => {
    const { error } = (await peer.request('tools/call', { name: 'booking_findMany', arguments: {} })).response;
    expect(error).toMatchObject({
      code: -32602,
      message: 'Unknown tool: booking_findMany; call read_rows { model: "booking", operation: "findMany", … }',
    });
  });

  it('has the resources and completions of every model', async () => {
    const uris = async (method: string, key: string, member: string) =>
      (await result(method, {}))[key].map((item: Record<string, string>) => item[member]);
    expect(await uris('resources/list', 'resources', 'uri')).toEqual(['test://client', 'test://booking', 'test://room']);
    expect(await uris('resources/templates/list', 'resourceTemplates', 'uriTemplate')).toContain('test://booking/{id}');
    const [{ text }] = (await result('resources/read', { uri: 'test://booking' })).contents;
    expect(JSON.parse(text).rows.map(({ id }: { id: number }) => id)).toEqual([1, 2, 3]);
    expect((await peer.request('resources/read', { uri: 'test://booking/4' })).response.error).toBeDefined();
    const ref = { type: 'ref/resource', uri: 'test://booking/{id}' };
    const { completion } = await result('completion/complete', { ref, argument: { name: 'id', value: '' } });
    expect(completion.values).toEqual(['1', '2', '3']);
  });
});
