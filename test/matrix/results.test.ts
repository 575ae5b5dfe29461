import { afterAll, beforeAll, expect, it } from 'vitest';
import { membersOf } from '../support/revision-schemas.ts';
import { fixedHints } from './app.ts';
import type { Peer } from './peer.ts';
import { connect } from './peer.ts';
import { describeRevisions, errorTable, startEverything, statusOf } from './revisions.ts';

type Server = Awaited<ReturnType<typeof startEverything>>;

describeRevisions('results', row => {
  let server: Server;
  let peer: Peer;
  beforeAll(async () => {
    server = await startEverything();
    peer = await connect(server.url, row);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const ask = async (method: string, params: Record<string, unknown>) => {
    const { status, response } = await peer.request(method, params);
    return { status, ...response };
  };
  const call = async (name: string, args?: unknown) => (await ask('tools/call', { name, arguments: args })).result;
  const refusal = (name: keyof typeof errorTable) => ({ status: statusOf(row, errorTable[name]), error: { code: errorTable[name].code } });

  it('name their kind and their server where the revision wants it', async () => {
    const result = await call('echo', { text: 'hi' });
    expect(result.resultType).toBe(row.resultType ? 'complete' : undefined);
    expect(result._meta?.['io.modelcontextprotocol/serverInfo']?.name).toBe(row.resultType ? 'test' : undefined);
  });

  it('keep the `_meta` of the handler', async () => {
    expect((await call('media'))._meta).toMatchObject({ 'example.com/own': true });
  });

  it('of a tool are text', async () => {
    expect((await call('echo', { text: 'hi' })).content).toEqual([{ type: 'text', text: 'hi' }]);
  });

  it('of a tool come without arguments, too', async () => {
    expect((await ask('tools/call', { name: 'echo' })).result.content).toEqual([{ type: 'text', text: 'nothing' }]);
  });

  it('that are objects come structured where there is structured content', async () => {
    const result = await call('row');
    expect(result.structuredContent).toEqual(row.structuredContent === 'absent' ? undefined : { a: 1 });
    expect(result.content).toEqual([{ type: 'text', text: '{"a":1}' }]);
  });

  it('that are lists come wrapped where structured content is an object', async () => {
    const result = await call('numbers');
    expect(result.structuredContent).toEqual({ absent: undefined, object: { result: [1, 2] }, any: [1, 2] }[row.structuredContent]);
    expect(result.content).toEqual([{ type: 'text', text: '[1,2]' }]);
  });

  it('carry content of a type that the revision lacks as text', async () => {
    const [audio, link, image] = (await call('media')).content;
    expect(audio.type).toBe(row.contentTypes.has('audio') ? 'audio' : 'text');
    expect(link.type).toBe(row.contentTypes.has('resource_link') ? 'resource_link' : 'text');
    if (link.type === 'text') expect(link.text).toBe('Fixed: test://fixed');
    expect(image).toEqual({ type: 'image', data: 'AAAA', mimeType: 'image/png' });
  });

  it('carry content with the members that the revision has', async () => {
    const { content } = await call('marked');
    expect(content[0]).toMatchObject({ type: 'text', text: 'marked', annotations: { audience: ['user'], priority: 1 } });
    expect(content[1]).toMatchObject({ type: 'resource', resource: { uri: 'test://fixed', text: 'hello' } });
    const has = (type: string, member: string) => membersOf(row.id, type).includes(member);
    expect('_meta' in content[0]).toBe(has('TextContent', '_meta'));
    expect('_meta' in content[1].resource).toBe(has('TextResourceContents', '_meta'));
    expect('lastModified' in content[0].annotations).toBe(has('Annotations', 'lastModified'));
    expect([content[2].type, 'icons' in content[2]]).toEqual([
      has('ResourceLink', 'type') ? 'resource_link' : 'text',
      has('ResourceLink', 'icons'),
    ]);
  });

  it('of a prompt carry content of a type that the revision lacks as text', async () => {
    const { messages } = (await ask('prompts/get', { name: 'listen' })).result;
    const types = messages.map(({ content }: { content: { type: string } }) => content.type);
    expect(types).toEqual(['audio', 'resource_link', 'image'].map(type => (row.contentTypes.has(type) ? type : 'text')));
  });

  it('say what went wrong in a tool', async () => {
    expect(await call('refuse')).toMatchObject({ isError: true, content: [{ type: 'text', text: 'That slot is taken' }] });
  });

  it('say nothing of an error that is nobody’s business', async () => {
    const { isError, content } = await call('crash');
    expect([isError, content[0].text]).toEqual([true, expect.stringMatching(/^Internal error \(ref [0-9a-f]{8}\)$/)]);
    expect(server.errors.splice(0).map(({ message }) => message)).toEqual(['password=hunter2']);
  });

  it('of a tool that fails with a code of the app are an error with that code', async () => {
    const answer = { code: 4711, message: 'Sold out', data: { left: 0 } };
    expect(await ask('tools/call', { name: 'coded' })).toMatchObject({ status: 200, error: answer });
  });

  it('of a request with a member __proto__ are an error', async () => {
    const text = '{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"echo","arguments":{"__proto__":{"text":"no"}}}}';
    const { status, response } = await peer.raw(text, { 'mcp-method': 'tools/call', 'mcp-name': 'echo' });
    expect({ status, ...response }).toMatchObject({ status: 200, id: 5, error: { code: errorTable.InvalidParams.code } });
  });

  it('of a tool with invalid arguments are for the model to read', async () => {
    expect(await call('echo', { text: 5 })).toMatchObject({
      isError: true,
      content: [{ type: 'text', text: expect.stringContaining('text') }],
    });
  });

  it.each([
    ['unheard of', {}],
    ['__proto__', {}],
    [5, {}],
    ['echo', []],
    ['echo', 'x'],
  ])('of the tool %j with %j are errors', async (name, args) => {
    expect(await ask('tools/call', { name, arguments: args })).toMatchObject(refusal('InvalidParams'));
  });

  it.each<[string, { region?: string }, string]>([
    ['without the argument', {}, 'eu'],
    ['with another value', { region: 'us' }, 'eu'],
    ['in broken base64', {}, '=?base64?!?='],
    ['with bytes beyond ASCII', { region: 'Jörg' }, 'Jörg'],
  ])('of a tool with the header of an argument %s are errors where the revision has such headers', async (_, args, header) => {
    const params = { name: 'mirrored', arguments: args };
    const { status, response } = await peer.request('tools/call', params, { headers: { 'mcp-param-region': header } });
    const { code } = errorTable.HeaderMismatch;
    if (row.era === 'modern') expect([status, response.error?.code]).toEqual([400, code]);
    else expect(response.result.content[0].text).toBe(args.region ?? 'none');
  });

  it('of a resource are its contents', async () => {
    const { result } = await ask('resources/read', { uri: 'test://fixed' });
    const hasMeta = row.contentFields?.['contents']?.includes('_meta') ?? true;
    expect(result.contents).toEqual([{ uri: 'test://fixed', mimeType: 'text/plain', text: 'hello', ...(hasMeta && { _meta: { a: 1 } }) }]);
  });

  it.each([
    ['test://fixed', fixedHints],
    ['test://item/book/5', { ttlMs: 0, cacheScope: 'private' }],
  ])('of the resource %s say how long they may be kept where the revision has hints for that', async (uri, hints) => {
    const { ttlMs, cacheScope } = (await ask('resources/read', { uri })).result;
    expect({ ttlMs, cacheScope }).toEqual(row.cacheHints.has('resources/read') ? hints : { ttlMs: undefined, cacheScope: undefined });
  });

  it('of a resource of a template are made from the variables', async () => {
    const { result } = await ask('resources/read', { uri: 'test://item/book/5' });
    expect(JSON.parse(result.contents[0].text)).toEqual({ kind: 'book', id: '5' });
  });

  it.each([
    ['test://grün', {}],
    ['test://grün?a=1&b=2', { a: '1', b: '2' }],
    ['test://gr%C3%BCn?b=2', { b: '2' }],
    ['test://gr%c3%bcn?a=%C3%BC', { a: 'ü' }],
  ])('of the URI %s are made by a template with a letter beyond ASCII and a query', async (uri, found) => {
    const { result } = await ask('resources/read', { uri });
    expect(JSON.parse(result.contents[0].text)).toEqual(found);
  });

  it.each(['test://grün&b=2', 'test://grun?b=2', 'test://nowhere', 'test://item/book/none'])(
    'of %s are the revision’s own error, with the URI',
    async uri => {
      const answer = refusal(row.resourceNotFound);
      expect(await ask('resources/read', { uri })).toMatchObject({ ...answer, error: { ...answer.error, data: { uri } } });
    },
  );

  it('of a prompt are its messages', async () => {
    const { result } = await ask('prompts/get', { name: 'greet', arguments: { name: 'Ada' } });
    expect(result.messages).toEqual([{ role: 'user', content: { type: 'text', text: 'Greet Ada' } }]);
  });

  it.each([
    ['greet', {}],
    ['greet', { name: 5 }],
    ['greet', []],
    ['nobody', {}],
    [undefined, {}],
  ])('of the prompt %j with %j are errors', async (name, args) => {
    expect(await ask('prompts/get', { name, arguments: args })).toMatchObject(refusal('InvalidParams'));
  });

  it('of a completion know the other arguments where the revision does', async () => {
    const ref = { type: 'ref/resource', uri: 'test://item/{kind}/{id}' };
    const { result } = await ask('completion/complete', {
      ref,
      argument: { name: 'id', value: '1' },
      context: { arguments: { kind: 'book' } },
    });
    expect(result.completion.values).toEqual([row.completionContext ? '1book' : '1unknown']);
  });

  it('of a completion for one resource of a template are those of the template', async () => {
    const argument = { name: 'kind', value: '' };
    const { completion } = (await ask('completion/complete', { ref: { type: 'ref/resource', uri: 'test://item/book/5' }, argument }))
      .result;
    expect(completion.values[0]).toBe('kind0');
    const nowhere = { ref: { type: 'ref/resource', uri: 'test://nowhere/5' }, argument };
    expect(await ask('completion/complete', nowhere)).toMatchObject(refusal('InvalidParams'));
  });

  it('of a completion are a hundred at most and say that there is more', async () => {
    const ref = { type: 'ref/resource', uri: 'test://item/{kind}/{id}' };
    const { completion } = (await ask('completion/complete', { ref, argument: { name: 'kind', value: '' } })).result;
    expect([completion.values.length, completion.hasMore]).toEqual([100, true]);
  });

  it.each([
    { ref: { type: 'ref/prompt', name: 'nobody' }, argument: { name: 'name', value: '' } },
    { ref: { type: 'ref/prompt', name: 'greet' }, argument: { name: 'nothing', value: '' } },
    { ref: { type: 'ref/odd' }, argument: { name: 'name', value: '' } },
    { ref: { type: 'ref/prompt', name: 'greet' } },
  ])('of a completion of %j are errors', async params => {
    expect(await ask('completion/complete', params)).toMatchObject(refusal('InvalidParams'));
  });
});
