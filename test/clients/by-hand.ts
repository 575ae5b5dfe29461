import { EventSource } from 'eventsource';
import type { WireMessage } from '../support/schemas.ts';
import { events } from '../support/wire.ts';
import type { Ability, ClientKind, ConnectOptions, TestClient } from './client.ts';
import { allAbilities, headersOf } from './client.ts';
import { JsonRpc, testClient } from './json-rpc.ts';

const without = (...abilities: Ability[]) => new Set(allAbilities.filter(ability => !abilities.includes(ability)));

/** No SDK at all: `fetch`, and `EventSource` for the stream. */
export const byHand: readonly ClientKind[] = [
  fetchKind('2025-03-26', without('form', 'page')),
  fetchKind('2025-06-18', without('page')),
  {
    name: 'plain EventSource',
    transport: 'sse',
    revision: '2024-11-05',
    can: without('form', 'page'),
    connect: connectEventSource,
  },
];

function fetchKind(revision: string, can: ReadonlySet<Ability>): ClientKind {
  return {
    name: `plain fetch, ${revision}`,
    transport: 'streamable',
    revision,
    can,
    connect: (origin, options = {}) => connectFetch(origin, revision, options),
  };
}

async function connectFetch(origin: string, revision: string, options: ConnectOptions): Promise<TestClient> {
  const url = `${origin}/mcp`;
  let sessionId: string | undefined;
  const headers = () => ({ ...headersOf(options), ...(sessionId && { 'mcp-session-id': sessionId }) });
  const rpc: JsonRpc = new JsonRpc(revision, async message => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { ...headers(), accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
      body: JSON.stringify(message),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    sessionId ??= response.headers.get('mcp-session-id') ?? undefined;
    if (response.headers.get('content-type') === 'text/event-stream') for await (const each of events(response)) await rpc.take(each);
    else if (response.status !== 202) await rpc.take(await response.json());
  });
  await rpc.initialize();
  return testClient(
    rpc,
    () => sessionId,
    async () => {
      const { status } = await fetch(url, { method: 'DELETE', headers: headers() });
      if (status !== 204) throw new Error(`DELETE was answered ${status}`);
    },
  );
}

async function connectEventSource(origin: string, options: ConnectOptions = {}): Promise<TestClient> {
  const url = `${origin}/mcp/sse`;
  const source = new EventSource(url, {
    fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headersOf(options) } }),
  });
  let endpoint: URL | undefined;
  const opened = new Promise<void>((resolve, reject) => {
    // Each time: after a reconnect the stream names another one.
    source.addEventListener('endpoint', ({ data }) => {
      endpoint = new URL(data as string, url);
      resolve();
    });
    source.addEventListener('error', ({ message }) => reject(new Error(message)));
  });
  const rpc = new JsonRpc('2024-11-05', async (message: WireMessage) => {
    const response = await fetch(endpoint ?? url, {
      method: 'POST',
      headers: { ...headersOf(options), 'content-type': 'application/json' },
      body: JSON.stringify(message),
    });
    if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
  });
  source.addEventListener('message', ({ data }) => void rpc.take(JSON.parse(data as string)));
  await opened;
  await rpc.initialize();
  return testClient(
    rpc,
    () => endpoint?.searchParams.get('sessionId') ?? undefined,
    async () => source.close(),
  );
}
