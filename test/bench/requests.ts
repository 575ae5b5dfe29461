/** How a lane talks: with a session of 2025-11-25, or statelessly in 2026-07-28. */
export type Revision = '2025-11-25' | '2026-07-28';

/** A request as it is sent over and over. */
export interface BenchRequest {
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** A POST. */
export interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const clientInfo = { name: 'bench', version: '1.0.0' };
const common = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

/** The request of a tool call. */
export function call(name: string, args: object = {}, meta?: object): BenchRequest {
  return { method: 'tools/call', params: { name, arguments: args, ...(meta && { _meta: meta }) } };
}

/** The request that opens a session. */
export const initialize: BenchRequest = {
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo },
};

/** A request in the words of a revision, with all that clients send along. */
export function postOf({ method, params }: BenchRequest, revision: Revision, sessionId?: string): Post {
  if (revision === '2026-07-28') {
    const _meta = {
      'io.modelcontextprotocol/protocolVersion': revision,
      'io.modelcontextprotocol/clientInfo': clientInfo,
      'io.modelcontextprotocol/clientCapabilities': {},
      ...(params['_meta'] as object | undefined),
    };
    const name = typeof params['name'] === 'string' ? { 'mcp-name': params['name'] } : undefined;
    return {
      headers: { ...common, 'mcp-protocol-version': revision, 'mcp-method': method, ...name },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }),
    };
  }
  const inSession = sessionId === undefined ? undefined : { 'mcp-protocol-version': revision, 'mcp-session-id': sessionId };
  return { headers: { ...common, ...inSession }, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) };
}

/** Opens a session and gives its id. @throws {Error} The server gave none. */
export async function openSession(url: string): Promise<string> {
  const { headers, body } = postOf(initialize, '2025-11-25');
  const response = await fetch(url, { method: 'POST', headers, body });
  const text = await response.text();
  const id = response.headers.get('mcp-session-id');
  if (id === null) throw new Error(`${url} gave no session: ${response.status} ${text}`);
  const { headers: confirmed } = postOf(initialize, '2025-11-25', id);
  const initialized = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' });
  await (await fetch(url, { method: 'POST', headers: confirmed, body: initialized })).text();
  return id;
}
