import { describe, expect, it } from 'vitest';
import { assertValid } from './schemas.ts';

const modern = '2026-07-28';
const result = (members: object) => ({ jsonrpc: '2.0', id: 1, result: members });
const tool = { name: 't', description: 'd', inputSchema: { type: 'object', additionalProperties: false } };
const hints = { resultType: 'complete', ttlMs: 0, cacheScope: 'private' };

describe('assertValid passes', () => {
  it.each<[string, object, string | undefined, string]>([
    ['a list of tools of 2024-11-05', result({ tools: [tool] }), 'tools/list', '2024-11-05'],
    ['a list of tools of 2026-07-28', result({ ...hints, tools: [tool] }), 'tools/list', modern],
    ['a question in 2026-07-28', result({ resultType: 'input_required', requestState: 's' }), 'tools/call', modern],
    ['an error without id', { jsonrpc: '2.0', error: { code: -32600, message: 'm' } }, undefined, '2024-11-05'],
    ['an empty result', result({}), 'ping', '2025-06-18'],
  ])('%s', (_, message, method, revision) => {
    expect(() => assertValid(message, method, revision)).not.toThrow();
  });
});

describe('assertValid refuses', () => {
  const { ttlMs: _ttl, ...withoutTtl } = hints;
  const { cacheScope: _scope, ...withoutScope } = hints;
  const audio = { type: 'audio', data: 'AAAA', mimeType: 'audio/wav' };
  const link = { type: 'resource_link', uri: 'x:y', name: 'y' };
  const form = (field: object) => ({
    jsonrpc: '2.0',
    id: 1,
    method: 'elicitation/create',
    params: { message: 'm', requestedSchema: { type: 'object', properties: { field } } },
  });
  it.each<[string, object, string | undefined, string]>([
    ['no resultType in 2026-07-28', result({ content: [] }), 'tools/call', modern],
    ['no ttlMs', result({ ...withoutTtl, tools: [] }), 'tools/list', modern],
    ['no cacheScope', result({ ...withoutScope, tools: [] }), 'tools/list', modern],
    ['cache hints where there are none', result({ ...hints, content: [] }), 'tools/call', modern],
    [
      'serverInfo in the body of a discovery',
      result({ ...hints, supportedVersions: [], capabilities: {}, serverInfo: {} }),
      'server/discover',
      modern,
    ],
    ['input_required of a list', result({ ...hints, resultType: 'input_required', tools: [] }), 'tools/list', modern],
    ['input_required with nothing in it', result({ resultType: 'input_required' }), 'tools/call', modern],
    ['a request of the server in 2026-07-28', { jsonrpc: '2.0', id: 1, method: 'roots/list' }, undefined, modern],
    ['id null', { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'm' } }, undefined, modern],
    ['id null in an older one', { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'm' } }, undefined, '2025-11-25'],
    ['resultType before 2026-07-28', result({ resultType: 'complete', content: [] }), 'tools/call', '2025-11-25'],
    ['members of an empty result', result({ _meta: {} }), 'ping', '2025-11-25'],
    ['structuredContent before 2025-06-18', result({ content: [], structuredContent: {} }), 'tools/call', '2025-03-26'],
    ['structuredContent that is no object before 2026-07-28', result({ content: [], structuredContent: [1] }), 'tools/call', '2025-11-25'],
    ['audio in 2024-11-05', result({ content: [audio] }), 'tools/call', '2024-11-05'],
    ['resource_link in 2025-03-26', result({ content: [link] }), 'tools/call', '2025-03-26'],
    ['a tool title in 2025-03-26', result({ tools: [{ ...tool, title: 't' }] }), 'tools/list', '2025-03-26'],
    ['tool icons in 2025-06-18', result({ tools: [{ ...tool, icons: [] }] }), 'tools/list', '2025-06-18'],
    [
      'a progress message in 2024-11-05',
      { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 1, progress: 1, message: 'm' } },
      undefined,
      '2024-11-05',
    ],
    ['a form in 2025-03-26', form({ type: 'string' }), undefined, '2025-03-26'],
    ['a list in a form of 2025-06-18', form({ type: 'array', items: { type: 'string', enum: ['a'] } }), undefined, '2025-06-18'],
    ['a default text in a form of 2025-06-18', form({ type: 'string', default: 'x' }), undefined, '2025-06-18'],
    ['a notification nobody knows', { jsonrpc: '2.0', method: 'notifications/odd' }, undefined, modern],
    ['the result of an unknown method', result({}), 'unheard/of', modern],
  ])('%s', (_, message, method, revision) => {
    expect(() => assertValid(message, method, revision)).toThrow();
  });
});
