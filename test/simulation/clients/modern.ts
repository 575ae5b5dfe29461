import type { HttpRequest } from '../http.ts';

const prefix = 'io.modelcontextprotocol/';
const revision = '2026-07-28';
/** The member of the params that `Mcp-Name` repeats. */
const named = ['name', 'taskId'];

/** A request of 2026-07-28. */
export interface ModernRequest {
  readonly id: number;
  readonly client: string;
  readonly method: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly capabilities?: object;
  /** The caller. @default a guest */
  readonly user?: string | undefined;
}

/** The POST of a request of 2026-07-28. */
export function modernPost({ id, client, method, params, capabilities = {}, user }: ModernRequest): HttpRequest {
  const _meta = {
    [`${prefix}protocolVersion`]: revision,
    [`${prefix}clientCapabilities`]: capabilities,
    [`${prefix}clientInfo`]: { name: client, version: '1' },
    progressToken: id,
  };
  const name = named.map(member => params[member]).find((value): value is string => typeof value === 'string');
  return {
    method: 'POST',
    path: '/mcp',
    headers: {
      'mcp-protocol-version': revision,
      'mcp-method': method,
      ...(name !== undefined && { 'mcp-name': name }),
      ...(user !== undefined && { 'x-user': user }),
    },
    body: { jsonrpc: '2.0', id, method, params: { ...params, _meta } },
  };
}
