import type { Transport, VersionNegotiationMode } from '@modelcontextprotocol/client';
import { Client, SSEClientTransport, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { ClientKind, TestClient } from './client.ts';
import { allAbilities, answers, clientCapabilities, headersOf, only, toToolResult } from './client.ts';

/** `@modelcontextprotocol/client` in each way it finds a revision, and over SSE. */
export const officialV2: readonly ClientKind[] = [
  {
    name: 'official v2, legacy',
    transport: 'streamable',
    revision: '2025-11-25',
    can: new Set(allAbilities),
    connect: overHttp('legacy'),
  },
  {
    name: 'official v2, auto',
    transport: 'stateless',
    revision: '2026-07-28',
    can: new Set(allAbilities),
    connect: overHttp('auto'),
  },
  {
    name: 'official v2, pinned to 2026-07-28',
    transport: 'stateless',
    revision: '2026-07-28',
    can: new Set(allAbilities),
    connect: overHttp({ pin: '2026-07-28' }),
  },
  {
    name: 'official v2 over SSE',
    transport: 'sse',
    revision: '2025-11-25',
    can: new Set(allAbilities),
    connect: (origin, options = {}) => {
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- what clients of 2024-11-05 connect with
      const transport = new SSEClientTransport(new URL(`${origin}/mcp/sse`), { requestInit: { headers: headersOf(options) } });
      return connect(transport, 'legacy', () => undefined);
    },
  },
];

function overHttp(mode: VersionNegotiationMode): ClientKind['connect'] {
  return (origin, options = {}) => {
    const transport = new StreamableHTTPClientTransport(new URL(`${origin}/mcp`), { requestInit: { headers: headersOf(options) } });
    return connect(transport, mode, () => transport.sessionId);
  };
}

async function connect(transport: Transport, mode: VersionNegotiationMode, sessionId: () => string | undefined): Promise<TestClient> {
  const client = new Client({ name: 'official-v2', version: '1.0.0' }, { capabilities: clientCapabilities, versionNegotiation: { mode } });
  client.setRequestHandler('elicitation/create', ({ params }) => answers['elicitation/create'](params) as never);
  client.setRequestHandler('sampling/createMessage', () => answers['sampling/createMessage']() as never);
  client.setRequestHandler('roots/list', () => answers['roots/list']());
  await client.connect(transport);
  return {
    sessionId,
    listTools: async () => (await client.listTools()).tools.map(({ name }) => name),
    callTool: async (name, args = {}, { onProgress, signal } = {}) =>
      toToolResult(
        await client.callTool(
          { name, arguments: { ...args } },
          {
            ...(onProgress && { onprogress: ({ progress, total }) => onProgress(progress, total) }),
            ...(signal && { signal }),
          },
        ),
      ),
    listResources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    listTemplates: async () => (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    readResource: async uri => (only((await client.readResource({ uri })).contents) as { text: string }).text,
    listPrompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    getPrompt: async (name, args) => ((await client.getPrompt({ name, arguments: args })).messages[0]?.content as { text: string }).text,
    [Symbol.asyncDispose]: () => client.close(),
  };
}
