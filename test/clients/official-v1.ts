import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import type { ClientKind, TestClient } from './client.ts';
import { allAbilities, answers, clientCapabilities, headersOf, only, toToolResult } from './client.ts';

/** `@modelcontextprotocol/sdk`, over both of its HTTP transports. */
export const officialV1: readonly ClientKind[] = [
  {
    name: 'official v1 over Streamable HTTP',
    transport: 'streamable',
    revision: '2025-11-25',
    can: new Set(allAbilities),
    connect: (origin, options = {}) => {
      const transport = new StreamableHTTPClientTransport(new URL(`${origin}/mcp`), { requestInit: { headers: headersOf(options) } });
      return connect(transport, () => transport.sessionId);
    },
  },
  {
    name: 'official v1 over SSE',
    transport: 'sse',
    revision: '2025-11-25',
    can: new Set(allAbilities),
    connect: (origin, options = {}) => {
      // eslint-disable-next-line @typescript-eslint/no-deprecated -- what clients of 2024-11-05 connect with
      const transport = new SSEClientTransport(new URL(`${origin}/mcp/sse`), { requestInit: { headers: headersOf(options) } });
      return connect(transport, () => undefined);
    },
  },
];

async function connect(transport: Transport, sessionId: () => string | undefined): Promise<TestClient> {
  const client = new Client({ name: 'official-v1', version: '1.0.0' }, { capabilities: clientCapabilities });
  client.setRequestHandler(ElicitRequestSchema, ({ params }) => answers['elicitation/create'](params) as never);
  client.setRequestHandler(CreateMessageRequestSchema, () => answers['sampling/createMessage']() as never);
  client.setRequestHandler(ListRootsRequestSchema, () => answers['roots/list']());
  await client.connect(transport);
  return {
    sessionId,
    listTools: async () => (await client.listTools()).tools.map(({ name }) => name),
    callTool: async (name, args = {}, { onProgress, signal } = {}) =>
      toToolResult(
        await client.callTool({ name, arguments: { ...args } }, undefined, {
          ...(onProgress && { onprogress: ({ progress, total }) => onProgress(progress, total) }),
          ...(signal && { signal }),
        }),
      ),
    listResources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    listTemplates: async () => (await client.listResourceTemplates()).resourceTemplates.map(({ uriTemplate }) => uriTemplate),
    readResource: async uri => (only((await client.readResource({ uri })).contents) as { text: string }).text,
    listPrompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    getPrompt: async (name, args) => ((await client.getPrompt({ name, arguments: args })).messages[0]?.content as { text: string }).text,
    [Symbol.asyncDispose]: () => client.close(),
  };
}
