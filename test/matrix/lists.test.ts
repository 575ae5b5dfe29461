import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import { revisions } from '../../src/protocol/revisions.ts';
import { start } from '../support/server.ts';
import { listHints } from './app.ts';
import type { Peer } from './peer.ts';
import { connect } from './peer.ts';
import { describeRevisions, errorTable, startEverything } from './revisions.ts';

type Server = Awaited<ReturnType<typeof startEverything>>;

describeRevisions('the lists', row => {
  let server: Server;
  let peer: Peer;
  beforeAll(async () => {
    server = await startEverything();
    peer = await connect(server.url, row);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const list = async (method: string, key: string) => {
    const { status, response } = await peer.request(method);
    expect(status).toBe(200);
    return response.result[key] as Record<string, unknown>[];
  };
  /** Of the members that an item has, those that the revision defines. */
  const known = (members: string[], fields: readonly string[]) => members.filter(member => fields.includes(member)).sort();

  it('show a tool with the members that the revision has', async () => {
    const [echo] = await list('tools/list', 'tools');
    const members = ['name', 'title', 'description', 'inputSchema', 'annotations', 'icons', '_meta'];
    expect(Object.keys(echo ?? {}).sort()).toEqual(known(members, row.fields.tool));
  });

  it('show the title of a tool in its annotations where it has no place of its own', async () => {
    const [echo] = await list('tools/list', 'tools');
    const hasPlace = row.fields.tool.includes('title');
    expect(echo?.['title']).toBe(hasPlace ? 'Echo' : undefined);
    if (row.fields.tool.includes('annotations')) {
      expect(echo?.['annotations']).toEqual({ ...(!hasPlace && { title: 'Echo' }), readOnlyHint: true });
    }
  });

  it('show the input schema as its author wrote it', async () => {
    const [echo] = await list('tools/list', 'tools');
    expect(echo?.['inputSchema']).toEqual({
      type: 'object',
      properties: { text: { type: 'string', default: 'nothing' }, times: { type: 'integer', minimum: 1 } },
    });
  });

  it('show an output schema whose root is an object where there are any', async () => {
    const row_ = (await list('tools/list', 'tools')).find(({ name }) => name === 'row');
    const schema = { type: 'object', properties: { a: { type: 'number' } }, required: ['a'], additionalProperties: false };
    expect(row_?.['outputSchema']).toEqual(row.fields.tool.includes('outputSchema') ? schema : undefined);
  });

  it('wrap an output schema whose root is none, where it has to be', async () => {
    const numbers = (await list('tools/list', 'tools')).find(({ name }) => name === 'numbers');
    const schema = { type: 'array', items: { type: 'number' } };
    const wrapped = { type: 'object', properties: { result: schema }, required: ['result'] };
    expect(numbers?.['outputSchema']).toEqual({ absent: undefined, object: wrapped, any: schema }[row.structuredContent]);
  });

  it('show a resource with the members that the revision has', async () => {
    const [fixed] = await list('resources/list', 'resources');
    const members = ['uri', 'name', 'title', 'description', 'annotations', 'icons', '_meta'];
    expect(Object.keys(fixed ?? {}).sort()).toEqual(known(members, row.fields.resource));
  });

  it('show the size of a resource where the revision has it', async () => {
    const sized = (await list('resources/list', 'resources')).find(({ name }) => name === 'sized');
    expect(sized?.['size']).toBe(row.fields.resource.includes('size') ? 5 : undefined);
  });

  it('show a resource template with the members that the revision has', async () => {
    const [item] = await list('resources/templates/list', 'resourceTemplates');
    const members = ['uriTemplate', 'name', 'title', 'description', 'icons', '_meta'];
    expect(Object.keys(item ?? {}).sort()).toEqual(known(members, row.fields.resourceTemplate));
  });

  it('show a prompt and its arguments with the members that the revision has', async () => {
    const greet = (await list('prompts/list', 'prompts')).find(({ name }) => name === 'greet');
    expect(Object.keys(greet ?? {}).sort()).toEqual(
      known(['name', 'title', 'description', 'arguments', 'icons', '_meta'], row.fields.prompt),
    );
    const [name] = (greet?.['arguments'] ?? []) as Record<string, unknown>[];
    expect(Object.keys(name ?? {}).sort()).toEqual(known(['name', 'title', 'description', 'required'], row.fields.promptArgument));
  });

  it.each([
    ['tools/list', 'tools', 'tool', 'echo'],
    ['resources/list', 'resources', 'resource', 'fixed'],
    ['resources/templates/list', 'resourceTemplates', 'resourceTemplate', 'item'],
    ['prompts/list', 'prompts', 'prompt', 'greet'],
  ] as const)('%s shows the `_meta` that the app declares where the revision has it', async (method, key, kind, name) => {
    const item = (await list(method, key)).find(each => each['name'] === name);
    const declared = { 'example.com/kind': name };
    expect(item?.['_meta']).toEqual(row.fields[kind].includes('_meta') ? declared : undefined);
  });

  it.each(['tools/list', 'resources/list', 'resources/templates/list', 'prompts/list'])(
    '%s carries the cache hints of the endpoint where the revision has them',
    async method => {
      const { result } = (await peer.request(method)).response;
      const hints = row.cacheHints.has(method) ? listHints : {};
      const { ttlMs, cacheScope } = result;
      expect({ ...(ttlMs !== undefined && { ttlMs }), ...(cacheScope !== undefined && { cacheScope }) }).toEqual(hints);
    },
  );

  it('are the same three times in a row', async () => {
    const [first, ...others] = await Promise.all([1, 2, 3].map(async id => (await peer.request('tools/list', {}, { id })).response.result));
    for (const other of others) expect(other).toEqual(first);
  });

  it('come in pages, each tool once, and refuse cursors of other lists', async () => {
    const names = Array.from({ length: 5 }, (_, index) => `tool${index}`);
    const options = {
      tools: Object.fromEntries(names.map(name => [name, { description: name, handler: () => name }])),
      limits: { pageSize: 2 },
    };
    await using paged = await start(options);
    const other = await connect(paged.url, row);
    const seen: unknown[] = [];
    const cursors: string[] = [];
    let cursor: string | undefined;
    do {
      const { result } = (await other.request('tools/list', cursor === undefined ? {} : { cursor })).response;
      seen.push(...result.tools.map(({ name }: { name: string }) => name));
      cursor = result.nextCursor;
      if (cursor !== undefined) cursors.push(cursor);
    } while (cursor !== undefined);
    expect([seen, cursors.length]).toEqual([names, 2]);
    for (const wrong of [
      'undefined',
      cursors.slice(0, 1),
      '',
      'x',
      5,
      `${cursors[0]}x`,
      Buffer.from('prompts:2').toString('base64url'),
      Buffer.from('tools:5').toString('base64url'),
    ]) {
      const { status, response } = await other.request('tools/list', { cursor: wrong });
      expect([wrong, status, response.error?.code]).toEqual([wrong, 200, errorTable.InvalidParams.code]);
    }
  });
});

describeRevisions('the resources of a template', row => {
  const fixed = { uri: 'test://item/0', handler: () => 'fixed' };
  const item = {
    uriTemplate: 'test://item/{id}',
    mimeType: 'text/plain',
    argsSchema: z.object({ id: z.coerce.number() }),
    handler: ({ id }: { id: number }) => `item ${id}`,
  };
  const ids = (ctx: HandlerContext) => [0, 1, 2, 3, 4].filter(id => ctx.get('x-user') === 'ada' || id < 2);

  it('are listed behind the others, for each caller their own, page by page', async () => {
    const list = (ctx: HandlerContext) =>
      Promise.resolve(ids(ctx).map(id => ({ variables: { id }, name: `Item ${id}`, title: `No. ${id}`, size: 6, _meta: { id } })));
    await using server = await start({ resources: { fixed, item: { ...item, list } }, limits: { pageSize: 2 } });
    const peer = await connect(server.url, row);
    const listAs = async (user: string) => {
      const pages: Record<string, unknown>[][] = [];
      let cursor: string | undefined;
      do {
        const { result } = (
          await peer.request('resources/list', { ...(cursor !== undefined && { cursor }) }, { headers: { 'x-user': user } })
        ).response;
        pages.push(result.resources);
        cursor = result.nextCursor;
      } while (cursor !== undefined);
      return pages;
    };
    const uris = (pages: Record<string, unknown>[][]) => pages.map(page => page.map(({ uri }) => uri));
    expect(uris(await listAs('eve'))).toEqual([['test://item/0', 'test://item/1']]);
    const pages = await listAs('ada');
    expect(uris(pages)).toEqual([['test://item/0', 'test://item/1'], ['test://item/2', 'test://item/3'], ['test://item/4']]);
    const shown = { uri: 'test://item/1', name: 'Item 1', title: 'No. 1', mimeType: 'text/plain', size: 6, _meta: { id: 1 } };
    expect(pages[0]?.[1]).toEqual(Object.fromEntries(Object.entries(shown).filter(([member]) => row.fields.resource.includes(member))));
    const { contents } = (await peer.request('resources/read', { uri: 'test://item/3' })).response.result;
    expect(contents).toEqual([{ uri: 'test://item/3', mimeType: 'text/plain', text: 'item 3' }]);
  });

  it('are not listed for those who may not read them, and are as many as allowed', async () => {
    const list = () => [0, 1, 2, 3].map(id => ({ uri: `test://item/${id}`, name: 'Item' }));
    const enabled = (ctx: HandlerContext) => ctx.get('x-user') === 'ada';
    await using server = await start({ resources: { item: { ...item, list, enabled } }, limits: { maxInstances: 2 } });
    const peer = await connect(server.url, row);
    const count = async (user: string) =>
      (await peer.request('resources/list', {}, { headers: { 'x-user': user } })).response.result.resources.length;
    expect([await count('eve'), await count('ada'), await count('ada')]).toEqual([0, 2, 2]);
    expect(server.errors.splice(0).map(({ message }) => message)).toEqual([expect.stringContaining('limits.maxInstances')]);
  });

  it.each<[string, () => unknown]>([
    ['something else than a list', () => ({})],
    ['items without a name', () => [{ uri: 'test://item/1' }]],
    ['a URI of another template', () => [{ uri: 'test://other/1', name: 'a' }]],
    ['a variable that is missing', () => [{ variables: {}, name: 'a' }]],
    ['an error', () => Promise.reject(new Error('password=hunter2'))],
  ])('that cannot be listed because `list` gives %s fail the list, and the app hears why', async (_, list) => {
    await using server = await start({ resources: { item: { ...item, list: list as never } } });
    const { response } = await (await connect(server.url, row)).request('resources/list');
    expect(response.error).toMatchObject({ code: errorTable.InternalError.code, message: expect.stringMatching(/^Internal error \(ref/) });
    expect(server.errors.splice(0)).toHaveLength(1);
  });
});

describe('lists that are kept', () => {
  it('are kept for each revision apart', async () => {
    await using server = await startEverything();
    const listAll = async () =>
      Promise.all(revisions.map(async row => (await (await connect(server.url, row)).request('tools/list')).response.result.tools[0]));
    const shown = revisions.map(({ fields }) => [
      fields.tool.includes('annotations'),
      fields.tool.includes('title'),
      fields.tool.includes('icons'),
    ]);
    for (const tools of [await listAll(), await listAll()]) {
      expect(tools.map(tool => ['annotations' in tool, 'title' in tool, 'icons' in tool])).toEqual(shown);
    }
  });
});
