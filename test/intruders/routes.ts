import { modernRequest } from '../support/modern.ts';

/** A request to one route. */
export type Route = (url: string) => readonly [url: string, init: RequestInit & { headers: Record<string, string> }];

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'wire', version: '1' } },
};
const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const modern = modernRequest('tools/list');

/** Every route and method that needs a token, and a request to it. */
export const routes: readonly (readonly [name: string, route: Route])[] = [
  ['POST of Streamable HTTP', url => [url, { method: 'POST', headers: json, body: JSON.stringify(initialize) }]],
  ['POST of 2026-07-28', url => [url, { method: 'POST', headers: { ...json, ...modern.headers }, body: JSON.stringify(modern.body) }]],
  ['POST without a body', url => [url, { method: 'POST', headers: {} }]],
  ['GET', url => [url, { headers: { accept: 'text/event-stream', 'mcp-session-id': 'x' } }]],
  ['GET without a session', url => [url, { headers: { accept: 'text/event-stream' } }]],
  ['DELETE', url => [url, { method: 'DELETE', headers: { 'mcp-session-id': 'x' } }]],
  ['PUT', url => [url, { method: 'PUT', headers: {} }]],
  ['a trailing slash', url => [`${url}/`, { method: 'POST', headers: json, body: JSON.stringify(initialize) }]],
  ['GET of HTTP+SSE', url => [`${url}/sse`, { headers: { accept: 'text/event-stream' } }]],
  ['POST of HTTP+SSE', url => [`${url}/sse`, { method: 'POST', headers: json, body: JSON.stringify(initialize) }]],
  ['POST of messages', url => [`${url}/messages?sessionId=x`, { method: 'POST', headers: json, body: JSON.stringify(initialize) }]],
  ['GET of sessions', url => [`${url}/sessions`, { headers: {} }]],
  ['DELETE of a session', url => [`${url}/sessions/x`, { method: 'DELETE', headers: {} }]],
];
