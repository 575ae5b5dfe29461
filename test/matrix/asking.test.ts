import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Peer } from './peer.ts';
import { connect } from './peer.ts';
import { describeRevisions, errorTable, startEverything } from './revisions.ts';

type Server = Awaited<ReturnType<typeof startEverything>>;

const able = { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} };

describeRevisions('asking the client', row => {
  let server: Server;
  let peer: Peer;
  const isModern = row.era === 'modern';
  beforeAll(async () => {
    server = await startEverything();
    peer = await connect(server.url, row, able);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const elicits = row.asks.has('elicitation/create');
  /** Calls a tool that elicits. In a revision that cannot, checks that it fails without asking, and gives nothing. */
  const elicited = async (tool: string, answers: object[], args: object = {}) => {
    const { asked, response } = await peer.converse(tool, args, (_, index) => answers[index] ?? { action: 'cancel' });
    if (elicits) return { asked, result: response.result };
    expect([asked, response.result?.isError]).toEqual([[], true]);
    expect(response.result.content[0].text).toMatch(/client/);
    return undefined;
  };

  it('shows a form and takes what was filled in', async () => {
    const outcome = await elicited('book', [{ action: 'accept', content: { people: 2, quiet: true } }]);
    if (outcome === undefined) return;
    const { asked, result } = outcome;
    expect(asked).toEqual([
      {
        method: 'elicitation/create',
        params: {
          ...(row.elicitationMode && { mode: 'form' }),
          message: 'Room 0?',
          requestedSchema: {
            type: 'object',
            properties: { people: { type: 'integer', minimum: 1 }, quiet: { type: 'boolean' } },
            required: ['people', 'quiet'],
          },
        },
      },
    ]);
    expect(JSON.parse(result.content[0].text)).toEqual({ answers: [{ action: 'accept', content: { people: 2, quiet: true } }] });
  });

  it('asks several times in one call, in order', async () => {
    const content = (people: number) => ({ action: 'accept', content: { people, quiet: false } });
    const outcome = await elicited('book', [content(1), content(2), content(3)], { times: 3 });
    if (outcome === undefined) return;
    expect(outcome.asked.map(({ params }) => params['message'])).toEqual(['Room 0?', 'Room 1?', 'Room 2?']);
    expect(JSON.parse(outcome.result.content[0].text).answers).toEqual([content(1), content(2), content(3)]);
  });

  it('leaves nothing open while the client is asked where the handler runs again, and waits where it does not', async () => {
    let open = 0;
    const count = (by: number) => () => {
      open += by;
    };
    const [opened, closed] = [count(1), count(-1)];
    server.happened.on('opened', opened).on('closed', closed);
    try {
      const openMeanwhile: number[] = [];
      const { response } = await peer.converse('careful', {}, () => {
        openMeanwhile.push(open);
        return { action: 'decline' };
      });
      expect(openMeanwhile).toEqual(elicits ? [isModern ? 0 : 1] : []);
      expect([response.result.isError ?? false, open]).toEqual([!elicits, 0]);
    } finally {
      server.happened.off('opened', opened).off('closed', closed);
    }
  });

  it.each(['decline', 'cancel'])('takes %s for an answer', async action => {
    const outcome = await elicited('book', [{ action }]);
    if (outcome !== undefined) expect(JSON.parse(outcome.result.content[0].text)).toEqual({ answers: [{ action }] });
  });

  it('does not take what does not fit the form', async () => {
    const fits = { action: 'accept', content: { people: 2, quiet: true } };
    const outcome = await elicited('book', [{ action: 'accept', content: { people: 0, quiet: 'yes' } }, fits]);
    if (outcome === undefined) return;
    // Where the client is asked by a request of its own, one answer is all there is.
    expect(outcome.asked.length).toBe(isModern ? 2 : 1);
    expect(outcome.result.isError ?? false).toBe(!isModern);
  });

  it('shows titled choices and defaults in the words of the revision', async () => {
    const outcome = await elicited('choose', [{ action: 'accept', content: { size: 'l' } }]);
    if (outcome === undefined) return;
    const { properties, required } = (outcome.asked[0]?.params['requestedSchema'] ?? {}) as { properties: object; required: string[] };
    const titled = {
      type: 'string',
      oneOf: [
        { const: 's', title: 'Small' },
        { const: 'l', title: 'Large' },
      ],
      default: 's',
    };
    const plain = { type: 'string', enum: ['s', 'l'], enumNames: ['Small', 'Large'] };
    expect(properties).toEqual({
      size: row.elicitationEnums ? titled : plain,
      note: { type: 'string', maxLength: 20, ...(row.elicitationEnums && { default: 'none' }) },
      gift: { type: 'boolean', default: true },
    });
    expect(required).toEqual(['size']);
    expect(JSON.parse(outcome.result.content[0].text)).toEqual({ action: 'accept', content: { size: 'l', note: 'none', gift: true } });
  });

  it('shows a list of choices where there are lists, and says so where not', async () => {
    const { asked, response } = await peer.converse('select', {}, () => ({ action: 'accept', content: { extras: ['tea'] } }));
    if (row.elicitationEnums) {
      const field = { type: 'array', items: { type: 'string', enum: ['tea', 'cake'] }, maxItems: 2 };
      expect(asked[0]?.params['requestedSchema']).toEqual({ type: 'object', properties: { extras: field } });
      expect(JSON.parse(response.result.content[0].text)).toEqual({ action: 'accept', content: { extras: ['tea'] } });
    } else {
      expect([asked, response.result.isError]).toEqual([[], true]);
      expect(response.result.content[0].text).toMatch(/needs a client/);
    }
  });

  it('sends the user to a page where the revision can, with an id where it has one', async () => {
    const { asked, response } = await peer.converse('visit', {}, () => ({ action: 'accept' }));
    if (!row.elicitationMode) {
      expect([asked, response.result.isError]).toEqual([[], true]);
      return;
    }
    const [{ params } = { params: {} }] = asked;
    expect(params).toMatchObject({ mode: 'url', message: 'Pay here', url: 'https://example.com/pay' });
    expect(typeof (params as Record<string, unknown>)['elicitationId']).toBe(row.elicitationId ? 'string' : 'undefined');
    expect(JSON.parse(response.result.content[0].text)).toEqual({ action: 'accept' });
  });

  it('ends a call that needs a page to be visited first in the revision’s way, until its user was there', async () => {
    const page = { mode: 'url', message: 'Connect first', url: 'https://example.com/connect' };
    const visit = () => void server.happened.once('connected', () => undefined);
    try {
      let answers = 0;
      const { asked, response } = await peer.converse('connect', {}, () => {
        answers += 1;
        // The user agrees to the page, and is done there when the client asks for the second time.
        if (answers === 2) visit();
        return { action: 'accept' };
      });
      if (!row.elicitationMode) {
        expect([asked, response.result.isError]).toEqual([[], true]);
        expect(response.result.content[0].text).toMatch(/needs a client/);
        return;
      }
      if (row.elicitationId) {
        const { code } = errorTable.UrlElicitationRequired;
        const elicitations = [{ ...page, elicitationId: expect.stringMatching(/^[\w-]{32}$/) }];
        expect([asked, response.error]).toEqual([[], { code, message: 'Not connected', data: { elicitations } }]);
        visit();
        expect((await peer.request('tools/call', { name: 'connect' })).response.result.content[0].text).toBe('connected');
      } else {
        const question = { method: 'elicitation/create', params: page };
        expect(asked).toEqual([question, question]);
        expect(response.result.content[0].text).toBe('connected');
      }
    } finally {
      server.happened.removeAllListeners('connected');
    }
  });

  it('does not ask a user again who has refused a page', async () => {
    if (!isModern) return;
    const { asked, response } = await peer.converse('connect', {}, () => ({ action: 'decline' }));
    expect([asked.length, response.result]).toMatchObject([
      1,
      { isError: true, content: [{ text: 'The user did not open a page: Connect first' }] },
    ]);
  });

  it('tells the client that the user is done with a page where the revision has a notification for it, and no other client', async () => {
    if (!row.elicitationMode) return;
    const [first, second] = [await connect(server.url, row, able), await connect(server.url, row, able)];
    const { asked, response } = await first.converse('pay', {}, () => ({ action: 'accept' }));
    const elicitationId = response.result.content[0].text;
    expect(asked[0]?.params['elicitationId']).toBe(row.elicitationId ? elicitationId : undefined);
    const streams = [await first.watch([]), await second.watch([])];
    for (const id of [elicitationId, 'x', `${elicitationId.slice(1)}x`]) await server.mcp.elicitationComplete(id);
    await server.mcp.listChanged('tools');
    const heard = [];
    for (const stream of streams) {
      const messages = [];
      do messages.push(await stream.next());
      while (messages.at(-1)?.method !== 'notifications/tools/list_changed');
      heard.push(messages.slice(0, -1));
      stream.close();
    }
    const complete = { jsonrpc: '2.0', method: 'notifications/elicitation/complete', params: { elicitationId } };
    expect(heard).toEqual([row.elicitationId ? [complete] : [], []]);
  });

  it('asks the client’s model', async () => {
    const reply = { role: 'assistant', content: { type: 'text', text: 'Aha' }, model: 'm1' };
    const { asked, response } = await peer.converse('think', {}, () => reply);
    expect(asked).toEqual([
      {
        method: 'sampling/createMessage',
        params: { messages: [{ role: 'user', content: { type: 'text', text: 'Hm?' } }], maxTokens: 10 },
      },
    ]);
    expect(JSON.parse(response.result.content[0].text)).toEqual(reply);
  });

  it('asks for the roots', async () => {
    const roots = [{ uri: 'file:///home/ada', name: 'home' }];
    const { asked, response } = await peer.converse('folders', {}, () => ({ roots }));
    expect(asked.map(({ method }) => method)).toEqual(['roots/list']);
    expect(JSON.parse(response.result.content[0].text)).toEqual({ roots });
  });

  it.each([
    ['book', {}, { elicitation: { form: {} } }],
    ['visit', { elicitation: {} }, { elicitation: { url: {} } }],
    ['connect', { elicitation: {} }, { elicitation: { url: {} } }],
    ['think', { elicitation: {} }, { sampling: {} }],
    ['folders', { sampling: {} }, { roots: {} }],
  ])(
    'by %s sends nothing to a client that declares %j, which gets the error of its revision',
    async (tool, declared, requiredCapabilities) => {
      const unable = await connect(server.url, row, declared);
      const { status, messages, response } = await unable.request('tools/call', { name: tool });
      expect(messages.length).toBe(1);
      const { code, status: refused } = errorTable.MissingRequiredClientCapability;
      if (isModern) expect({ status, ...response.error }).toMatchObject({ status: refused, code, data: { requiredCapabilities } });
      else expect([status, response.result?.isError]).toEqual([200, true]);
    },
  );

  it.each([{ form: {} }, {}, { url: {} }, { applyDefaults: true }])(
    'shows a form to a client that declares the elicitation %j, unless its revision knows pages and it declares nothing but others',
    async elicitation => {
      const declaring = await connect(server.url, row, { elicitation });
      const isShown = elicits && (!row.elicitationMode || 'form' in elicitation || Object.keys(elicitation).length === 0);
      const { asked } = await declaring.converse('book', {}, () => ({ action: 'decline' }));
      expect(asked.length).toBe(isShown ? 1 : 0);
    },
  );

  it.each([null, 'x', [null]])('does not take an answer of the model with the content %j', async content => {
    if (!row.asks.has('sampling/createMessage')) return;
    const said = { role: 'assistant', model: 'm' };
    const good = { ...said, content: { type: 'text', text: 'Hm.' } };
    const { asked, response } = await peer.converse('think', {}, (_, index) => (index === 0 ? { ...said, content } : good));
    // Without sessions the question is asked again.
    expect([asked.length, response.result.isError]).toEqual(isModern ? [2, undefined] : [1, true]);
  });
});
