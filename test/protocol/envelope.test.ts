import { describe, expect, it } from 'vitest';
import { McpError } from '../../src/errors.ts';
import { parseEnvelope } from '../../src/protocol/envelope.ts';
import type { JsonRpcRequest } from '../../src/protocol/jsonrpc.ts';
import { isModern, revisions } from '../../src/protocol/revisions.ts';
import type { ModernOptions } from '../support/modern.ts';
import { modernRequest } from '../support/modern.ts';

const request = (method: string, params: Record<string, unknown> = {}, options: ModernOptions = {}) => {
  const { body, headers } = modernRequest(method, params, options);
  return [body as JsonRpcRequest, headers] as const;
};
/** Code and status of what is thrown. */
const refusal = (...given: Parameters<typeof request>) => {
  try {
    parseEnvelope(...request(...given));
  } catch (error) {
    if (McpError.isError(error)) return error;
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('parseEnvelope', () => {
  it('reads who asks, in which revision, and what the client can', () => {
    const [body, headers] = request('tools/list', {}, { capabilities: { roots: {} }, logLevel: 'info' });
    expect(parseEnvelope(body, headers)).toEqual({
      meta: body.params?.['_meta'],
      revision: revisions.at(-1),
      capabilities: { roots: {} },
      clientInfo: { name: 'modern', version: '1.0.0' },
      logLevel: 'info',
    });
  });

  it.each([undefined, 5, 'me', {}, { version: '1' }, { name: 5 }])('does without a clientInfo that is %j', clientInfo => {
    const meta = { 'io.modelcontextprotocol/clientInfo': clientInfo };
    expect(parseEnvelope(...request('tools/list', {}, { meta })).clientInfo).toBeUndefined();
  });

  it.each([
    ['tools/call', { name: 'größe' }, '=?base64?Z3LDtsOfZQ==?='],
    ['prompts/get', { name: 'plain' }, 'plain'],
    ['resources/read', { uri: 'test://a b' }, 'test://a b'],
    ['resources/read', { uri: 'test://ü' }, '=?base64?dGVzdDovL8O8?='],
  ])('takes the Mcp-Name of %s %j as %s', (method, params, name) => {
    expect(parseEnvelope(...request(method, params, { headers: { 'mcp-name': name } })).revision.id).toBe('2026-07-28');
  });

  it.each(['tools/list', 'completion/complete', 'server/discover', 'subscriptions/listen'])('wants no Mcp-Name of %s', method => {
    expect(parseEnvelope(...request(method)).revision.id).toBe('2026-07-28');
  });

  it('wants no Mcp-Name where the body has none to repeat: that is for the method to say', () => {
    expect(parseEnvelope(...request('tools/call', { name: 5 })).revision.id).toBe('2026-07-28');
  });

  it.each(['=?base64?SGVsbG8?=', '=?base64?!!!!?=', 'gr\u00F6\u00DFe', 'a\x01'])(
    'refuses the Mcp-Name %j, also if the body has no name',
    name => {
      for (const params of [{ name: 'a' }, { name: 5 }, {}, { name: 'gr\u00F6\u00DFe' }])
        expect(refusal('tools/call', params, { headers: { 'mcp-name': name } }).code).toBe(-32020);
    },
  );

  it('pays no heed to the Mcp-Name of a method that has none', () => {
    expect(parseEnvelope(...request('tools/list', {}, { headers: { 'mcp-name': '=?base64?!?=' } })).revision.id).toBe('2026-07-28');
  });

  it('names what is wrong and what the server speaks', () => {
    const { message, status, code } = refusal('tools/list', {}, { meta: { 'io.modelcontextprotocol/protocolVersion': undefined } });
    expect([code, status]).toEqual([-32602, 400]);
    expect(message).toMatch(/protocolVersion"\]` must be a string.*2026-07-28, 2025-11-25, 2025-06-18, 2025-03-26, 2024-11-05/);
  });

  it('names the header that is wrong, and none of its text', () => {
    const { message } = refusal('tools/call', { name: 'a' }, { headers: { 'mcp-name': 'secret' } });
    expect(message).toBe('Header mismatch: Mcp-Name does not match the body');
  });

  it.each(['protocolVersion', 'clientCapabilities'])('does not take an inherited %s', member => {
    const [body, headers] = request('tools/list', {}, { meta: { [`io.modelcontextprotocol/${member}`]: undefined } });
    expect(() => parseEnvelope(body, headers)).toThrow(member);
  });
});

describe('isModern', () => {
  const { body } = modernRequest('tools/list');
  const plain = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  it.each<[string, unknown, string | undefined, boolean]>([
    ['an envelope', body, undefined, true],
    ['an envelope against an old header', body, '2025-11-25', true],
    ['an envelope of an old version', modernRequest('tools/list', {}, { revision: '2025-11-25' }).body, undefined, true],
    [
      'an envelope whose version is no string',
      modernRequest('x', {}, { meta: { 'io.modelcontextprotocol/protocolVersion': 5 } }).body,
      undefined,
      true,
    ],
    ['a new header', plain, '2026-07-28', true],
    ['a new header with blanks', plain, ' 2026-07-28 ', true],
    ['an old header', plain, '2025-11-25', false],
    ['an unknown header', plain, 'v999', false],
    ['nothing', plain, undefined, false],
    ['a _meta without version', { ...plain, params: { _meta: { progressToken: 1 } } }, undefined, false],
    ['params that are a list', { ...plain, params: [] }, undefined, false],
    ['null', null, undefined, false],
    ['a batch', [plain, plain], undefined, false],
    ['a batch with an envelope in it', [plain, body], undefined, true],
    ['a batch under a new header', [plain], '2026-07-28', true],
  ])('says of %s', (_, message, version, modern) => {
    expect(isModern(message, version)).toBe(modern);
  });
});
