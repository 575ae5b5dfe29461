import type { Revision } from '../../src/protocol/revisions.ts';
import { revisions } from '../../src/protocol/revisions.ts';
import type { FuzzClient } from './client.ts';
import { answerTo, anyNotification, anyRequest, askingCall, initialize, listen, plainCall } from './corpus.ts';
import type { Draft, Wire } from './http.ts';
import { plain } from './http.ts';
import { oddValue, toText } from './json-tree.ts';
import type { SentMessage } from './judge.ts';
import { messagesOf } from './judge.ts';
import type { HttpResponse } from './responses.ts';

/** An exchange: what a client does, and how often. */
interface Case {
  readonly name: string;
  readonly weight: number;
  readonly run: (client: FuzzClient) => Promise<unknown>;
}

const legacy = revisions.filter(({ era }) => era === 'legacy');
const modern = revisions.find(({ era }) => era === 'modern') as Revision;
const batching = revisions.find(({ batches }) => batches) as Revision;

const cases: readonly Case[] = [
  { name: 'a request of a session', weight: 40, run: legacyRequest },
  { name: 'a request without sessions', weight: 28, run: modernRequest },
  { name: 'initialize', weight: 4, run: initializing },
  { name: 'a notification or a response', weight: 4, run: oneWay },
  { name: 'a batch', weight: 4, run: batch },
  { name: 'answers to questions in a session', weight: 2, run: questionsOfSession },
  { name: 'answers to questions without sessions', weight: 4, run: questionsOfModern },
  { name: 'a stream of a session', weight: 2, run: getStream },
  { name: 'subscriptions/listen', weight: 2, run: listening },
  { name: 'HTTP+SSE', weight: 3, run: sse },
  { name: 'DELETE', weight: 1, run: ending },
  { name: 'pipelined requests', weight: 3, run: pipelined },
  { name: 'cancellation', weight: 1, run: cancelling },
  { name: 'other paths', weight: 1.5, run: elsewhere },
  { name: 'a large body', weight: 0.3, run: large },
  { name: 'bytes', weight: 0.7, run: bytes },
];
/** Each case as often as its weight says, in tenths. */
const drawn = cases.flatMap(each => Array.from({ length: Math.round(each.weight * 10) }, () => each));

/** Runs the exchange that a client's seed decides. @returns Its name. */
export async function runCase(client: FuzzClient): Promise<string> {
  const { name, run } = client.random.pick(drawn);
  await run(client);
  return name;
}

async function legacyRequest(client: FuzzClient): Promise<void> {
  const { random } = client;
  const row = random.pick(legacy);
  const isCompact = random.chance(0.2);
  const path = isCompact ? '/compact' : '/mcp';
  const session = await client.session(row.id, path);
  if (session === undefined) return;
  const message = { jsonrpc: '2.0', id: random.pick<unknown>([1, 'a', 0, 12_345]), ...anyRequest(random, row, isCompact) };
  await client.send([client.ofSession(message, session, { path, revision: row.id })], row.id);
}

async function modernRequest(client: FuzzClient): Promise<void> {
  const { random } = client;
  const isCompact = random.chance(0.2);
  await client.send([client.modern(anyRequest(random, modern, isCompact), { path: isCompact ? '/compact' : '/mcp' })], modern.id);
}

async function initializing(client: FuzzClient): Promise<void> {
  const { random } = client;
  const { id } = random.pick(revisions);
  const message = { jsonrpc: '2.0', id: 1, ...initialize(random, id) };
  await client.send([client.finish(client.draft(toText(client.mutated(message))))], id);
}

async function oneWay(client: FuzzClient): Promise<void> {
  const { random } = client;
  const { id: revision } = random.pick(legacy);
  const session = await client.session(revision);
  if (session === undefined) return;
  const message = random.pick<() => object>([
    () => ({ jsonrpc: '2.0', ...anyNotification(random) }),
    () => ({
      jsonrpc: '2.0',
      id: random.pick<unknown>([1, 'x', 0]),
      result: answerTo(random.pick(['roots/list', 'elicitation/create']), random),
    }),
    () => ({ jsonrpc: '2.0', id: 1, error: { code: -1, message: 'no' } }),
  ])();
  await client.send([client.ofSession(message, session, { revision })], revision);
}

async function batch(client: FuzzClient): Promise<void> {
  const { random } = client;
  const revision = random.chance(0.9) ? batching.id : random.pick(legacy).id;
  const session = await client.session(revision);
  if (session === undefined) return;
  const messages = Array.from({ length: random.pick([0, 1, 2, 3, 10, 50, 51]) }, (_, at) =>
    random.chance(0.7)
      ? { jsonrpc: '2.0', id: random.chance(0.9) ? at : 0, ...anyRequest(random, batching, false) }
      : { jsonrpc: '2.0', ...anyNotification(random) },
  );
  await client.send([client.ofSession(messages, session, { revision })], revision);
}

/** Calls a tool that asks, and answers in an odd way, twice or too late. */
async function questionsOfSession(client: FuzzClient): Promise<void> {
  const { random } = client;
  const { id: revision } = random.pick(legacy.slice(-2));
  const session = await client.session(revision);
  if (session === undefined) return;
  const call = client.ofSession({ jsonrpc: '2.0', id: `q${client.number}`, ...askingCall(random) }, session, {
    revision,
    oddness: { json: 0.2, head: 0.02, sending: 0.02 },
  });
  const answered = new Set<unknown>();
  const answer = async (question: { id: unknown; method: string }) => {
    for (let times = random.pick([0, 1, 1, 1, 2]); times > 0; times -= 1) {
      const message = { jsonrpc: '2.0', id: question.id, result: answerTo(question.method, random) };
      await client.send([client.ofSession(message, session, { revision, oddness: { json: 0.6, head: 0.05, sending: 0.05 } })], revision);
    }
  };
  let last: Promise<unknown> | undefined;
  const onChange = (responses: readonly HttpResponse[]) => {
    for (const question of questionsIn(responses)) {
      if (answered.has(question.id)) continue;
      answered.add(question.id);
      last = answer(question);
    }
    return last;
  };
  await client.send([call], revision, { onChange });
}

function questionsIn(responses: readonly HttpResponse[]): { id: unknown; method: string }[] {
  return responses.flatMap(({ events }) =>
    events.flatMap(({ data }) =>
      messagesOf(data).flatMap(({ id, method }) => (id !== undefined && typeof method === 'string' ? [{ id, method }] : [])),
    ),
  );
}

async function questionsOfModern(client: FuzzClient): Promise<void> {
  const { random } = client;
  const sample = askingCall(random);
  let wire: Wire = client.modern(sample, { oddness: { json: 0.1, head: 0.02, sending: 0.02 } });
  for (let round = 0; round < 4; round += 1) {
    const { responses } = await client.send([wire], modern.id);
    const result = resultIn(responses[0]);
    if (result?.resultType !== 'input_required') return;
    const inputResponses = Object.fromEntries(
      Object.entries(result.inputRequests ?? {}).map(([key, { method }]) => [key, answerTo(method, random)]),
    );
    const params = { ...sample.params, inputResponses, requestState: result.requestState };
    wire = client.modern({ ...sample, params }, { oddness: { json: 0.5, head: 0.05, sending: 0.05 } });
  }
}

interface Asking {
  readonly resultType?: unknown;
  readonly inputRequests?: Record<string, { method: string }>;
  readonly requestState?: unknown;
}

function resultIn(response: HttpResponse | undefined): Asking | undefined {
  const texts = response?.isStream ? response.events.map(({ data }) => data) : [response?.body];
  return texts.flatMap(text => messagesOf(text) as { result?: Asking }[]).find(({ result }) => result !== undefined)?.result;
}

async function getStream(client: FuzzClient): Promise<void> {
  const { random } = client;
  const { id: revision } = random.pick(legacy);
  const session = await client.session(revision);
  if (session === undefined) return;
  const talk = client.ofSession({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'talk' } }, session, {
    revision,
    oddness: { json: 0, head: 0, sending: 0 },
  });
  const { responses } = await client.send([talk], revision);
  const ids = responses.flatMap(({ events }) => events.flatMap(({ id }) => (id === undefined ? [] : [id])));
  const known = ids.length > 0 ? random.pick(ids) : undefined;
  const lastEventId = random.pick([
    undefined,
    known,
    known,
    known && `${known}0`,
    known?.slice(0, -1),
    known?.toUpperCase(),
    known && `${known.slice(0, known.length / 2)}-${known}`,
  ]);
  const draft = get(client, '/mcp', {
    'mcp-session-id': session,
    'mcp-protocol-version': revision,
    ...(lastEventId !== undefined && { 'last-event-id': lastEventId }),
  });
  await client.send([client.finish(draft)], revision, { sent: messagesOf(talk.body) });
}

async function listening(client: FuzzClient): Promise<void> {
  await client.send([client.modern(listen(client.random))], modern.id);
}

/** Opens a stream of HTTP+SSE and sends messages to it, out of order now and then. */
async function sse(client: FuzzClient): Promise<void> {
  const { random } = client;
  const revision = random.pick(legacy);
  let sending: Promise<void> | undefined;
  const sent: SentMessage[] = [];
  const say = async (path: string, message: unknown) => {
    const body = toText(client.mutated(message, 0.5));
    sent.push(...messagesOf(body));
    await client.send([client.finish({ ...client.draft(body, { path }) }, { head: 0.08, sending: 0.08 })], revision.id);
  };
  const talk = async (path: string) => {
    const messages: unknown[] = [
      { jsonrpc: '2.0', id: 'i', ...initialize(random, revision.id) },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 1, ...anyRequest(random, revision, false) },
      { jsonrpc: '2.0', id: 2, ...anyRequest(random, revision, false) },
    ];
    if (random.chance(0.2)) messages.reverse();
    for (const message of messages) await say(path, message);
  };
  const open = client.finish(get(client, '/mcp/sse', {}), { head: 0.1, sending: 0 });
  const onChange = (responses: readonly HttpResponse[]) => {
    const path = responses.flatMap(({ events }) => events).find(({ name }) => name === 'endpoint')?.data;
    if (path !== undefined) sending ??= talk(path);
    return sending;
  };
  await client.send([open], revision.id, { onChange, sent });
}

async function ending(client: FuzzClient): Promise<void> {
  const { random } = client;
  const { id: revision } = random.pick(legacy);
  const session = await client.newSession(revision);
  if (session === undefined) return;
  const end = () =>
    client.finish({ ...get(client, '/mcp', { 'mcp-session-id': session, 'mcp-protocol-version': revision }), verb: 'DELETE' });
  const message = { jsonrpc: '2.0', id: 1, ...anyRequest(random, batching, false) };
  const ask = () => client.ofSession(message, session, { revision, oddness: { head: 0.02, sending: 0 } });
  if (random.chance(0.5)) await client.send(whole([ask(), end(), ask()]), revision);
  else
    await Promise.all([
      client.send([ask()], revision),
      client.send([end()], revision),
      client.send(
        [get(client, '/mcp', { 'mcp-session-id': session })].map(draft => plain(draft)),
        revision,
      ),
    ]);
  await client.send([end()], revision);
}

async function pipelined(client: FuzzClient): Promise<void> {
  const { random } = client;
  const row = random.pick(legacy);
  const session = await client.session(row.id);
  if (session === undefined) return;
  const wires = Array.from({ length: random.between(2, 8) }, (_, at) => {
    const message = { jsonrpc: '2.0', id: at, ...(random.chance(0.8) ? anyRequest(random, row, false) : plainCall(random, false)) };
    return random.chance(0.3)
      ? client.modern(anyRequest(random, modern, false), { id: at })
      : client.ofSession(message, session, { revision: row.id, oddness: { head: 0.05, sending: at === 0 ? 0.2 : 0.05 } });
  });
  await client.send(wires, row.id);
}

async function cancelling(client: FuzzClient): Promise<void> {
  const { random } = client;
  const { id: revision } = random.pick(legacy);
  const session = await client.session(revision);
  if (session === undefined) return;
  const id = `c${client.number}`;
  const calm = { json: 0, head: 0, sending: 0 };
  const call = client.ofSession(
    { jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'wait', _meta: { progressToken: id } } },
    session,
    { revision, oddness: calm },
  );
  const cancel = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: 'x' } };
  const said = client.send([call], revision);
  await new Promise(done => setTimeout(done, random.between(0, 10)));
  await client.send([client.ofSession(cancel, session, { revision, oddness: { json: 0.4 } })], revision);
  // The call is over now, or after its time.
  await client.send([client.ofSession(cancel, session, { revision, oddness: calm })], revision);
  await said;
}

async function elsewhere(client: FuzzClient): Promise<void> {
  const { random } = client;
  const path = random.pick([
    '/mcp/health',
    '/mcp/health/live',
    '/mcp/sessions',
    '/mcp/sessions?limit=5',
    '/mcp',
    '/mcp/messages',
    '/nothing',
  ]);
  const draft = get(client, path, random.chance(0.5) ? { 'x-operator': 'yes' } : {});
  await client.send(
    [client.finish({ ...draft, verb: random.pick(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'POST']) }, { head: 0.7 })],
    '2025-11-25',
  );
}

async function large(client: FuzzClient): Promise<void> {
  const { random } = client;
  const size = random.pick([100_000, 1_000_000, 4_150_000, 4_300_000]);
  const [piece, frame] = random.pick<readonly [string, (text: string) => string]>([
    ['x', text => `"${text}"`],
    ['[],', text => `[${text}0]`],
    ['{"a":1},', text => `[${text}0]`],
    ['"\\u0000', text => `[${text.replaceAll('"', '",').slice(0, 0)}"${'\\u0000'.repeat(size / 6)}"]`],
    ['1,', text => `[${text}0]`],
    ['"aaaaaaaaaaaaaaaa":0,', text => `{${text}"b":0}`],
  ]);
  const value = frame(piece.repeat(size / piece.length));
  const name = random.pick(['echo', 'anything', 'client_findMany', 'search', 'booking_createMany']);
  const member = random.pick(['text', 'where', 'data', 'query', 'orderBy', 'select']);
  const args = random.pick([
    `{"${member}":${value}}`,
    value,
    `{"${member}":{"id":{"in":${value}}}}`,
    `{"${member}":{"OR":${value}}}`,
    `{"${member}":{"name":${value}}}`,
  ]);
  const session = await client.session('2025-11-25');
  if (session === undefined) return;
  const body = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"${name}","arguments":${args}}}`;
  await client.send([plain(client.draft(body, { headers: { 'mcp-session-id': session } }))], '2025-11-25');
}

/** A body that is no JSON, or JSON of another form. */
async function bytes(client: FuzzClient): Promise<void> {
  const { random } = client;
  const text = random.pick([
    toText(oddValue(random)),
    '{',
    '\ufeff{}',
    '{"jsonrpc":"2.0"',
    'null',
    '[]',
    '"a"',
    '{}{}',
    "{'a':1}",
    '\u0000',
    '[[[[',
    '{"jsonrpc":"2.0","id":1,"method":"ping"}\u0000',
    '{"jsonrpc":"2.0","id":1,"method":"ping",}',
    'NaN',
    '/**/{}',
  ]);
  await client.send([client.finish(client.draft(text))], '2025-11-25');
}

function get(client: FuzzClient, path: string, headers: Readonly<Record<string, string>>): Draft {
  const draft = client.draft('', { path, headers: { ...headers, accept: 'text/event-stream' } });
  return { ...draft, verb: 'GET', body: undefined, headers: draft.headers.filter(([name]) => name !== 'content-type') };
}

/** Nothing is cut or stalled but the last request of a socket. */
function whole(wires: readonly Wire[]): Wire[] {
  return wires.map(wire => ({ ...wire, delivery: 'whole' }));
}
