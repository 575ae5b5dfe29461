import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { ModernOptions } from '../support/modern.ts';
import { encodeHeader, ModernClient } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

let server: TestServer;
let client: ModernClient;
beforeAll(async () => {
  server = await start({
    tools: {
      query: {
        description: 'Repeats its arguments',
        inputSchema: z.object({
          region: z.string().meta({ 'x-mcp-header': 'Region' }),
          limit: z.int().optional().meta({ 'x-mcp-header': 'Limit' }),
          dry: z.boolean().optional().meta({ 'x-mcp-header': 'Dry-Run' }),
          deep: z.object({ note: z.string().nullish() }).optional(),
          where: z.object({ tenant: z.string().meta({ 'x-mcp-header': 'Tenant' }) }).optional(),
        }),
        handler: (args: unknown) => args,
      },
      hidden: {
        description: 'For nobody',
        inputSchema: z.object({ a: z.string().meta({ 'x-mcp-header': 'A' }) }),
        enabled: () => false,
        handler: () => 'never',
      },
    },
  });
  client = new ModernClient(server.url);
});
afterAll(() => server[Symbol.asyncDispose]());

const query = (args: object, headers: ModernOptions['headers']) =>
  client.request('tools/call', { name: 'query', arguments: args }, { headers: headers ?? {} });

describe('an argument that a header repeats', () => {
  it.each<[string, object, Record<string, string>]>([
    ['text', { region: 'eu' }, { 'Mcp-Param-Region': 'eu' }],
    ['text, the header name in lower case', { region: 'eu' }, { 'mcp-param-region': 'eu' }],
    ['text with blanks around the header', { region: 'eu' }, { 'Mcp-Param-Region': ' eu\t' }],
    ['empty text', { region: '' }, { 'Mcp-Param-Region': '' }],
    ['text in base64', { region: 'Größe' }, { 'Mcp-Param-Region': '=?base64?R3LDtsOfZQ==?=' }],
    ['plain text in base64', { region: 'Hello' }, { 'Mcp-Param-Region': '=?base64?SGVsbG8=?=' }],
    ['text without the prefix of an encoded one', { region: 'SGVsbG8=?=' }, { 'Mcp-Param-Region': 'SGVsbG8=?=' }],
    ['text without the suffix of an encoded one', { region: '=?base64?SGVsbG8=' }, { 'Mcp-Param-Region': '=?base64?SGVsbG8=' }],
    ['text that looks encoded, encoded', { region: '=?base64?x?=' }, { 'Mcp-Param-Region': encodeHeader('=?base64?x?=') }],
    ['an integer', { region: 'eu', limit: 42 }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Limit': '42' }],
    ['an integer as 42.0', { region: 'eu', limit: 42 }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Limit': '42.0' }],
    ['zero', { region: 'eu', limit: 0 }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Limit': '0' }],
    ['false', { region: 'eu', dry: false }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Dry-Run': 'false' }],
    ['a member of an object', { region: 'eu', where: { tenant: 't1' } }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Tenant': 't1' }],
    ['nothing for what is absent', { region: 'eu', deep: { note: null } }, { 'Mcp-Param-Region': 'eu' }],
    ['a header that repeats no argument of the tool', { region: 'eu' }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Other': 'Jörg' }],
  ])('is taken: %s', async (_, args, headers) => {
    const { status, response } = await query(args, headers);
    expect([status, JSON.parse(response.result.content[0].text)]).toEqual([200, args]);
  });

  it.each<[string, object, Record<string, string>]>([
    ['no header', { region: 'eu' }, {}],
    ['no header for empty text', { region: '' }, {}],
    ['another text', { region: 'eu' }, { 'Mcp-Param-Region': 'us' }],
    ['another case', { region: 'eu' }, { 'Mcp-Param-Region': 'EU' }],
    ['base64 of another text', { region: 'eu' }, { 'Mcp-Param-Region': '=?base64?SGVsbG8=?=' }],
    ['base64 without padding', { region: 'Hello' }, { 'Mcp-Param-Region': '=?base64?SGVsbG8?=' }],
    ['base64 with strange characters', { region: 'Hello' }, { 'Mcp-Param-Region': '=?base64?SGVs!!!bG8=?=' }],
    ['base64 of no UTF-8', { region: '\uFFFD' }, { 'Mcp-Param-Region': '=?base64?/w==?=' }],
    ['no header for an integer', { region: 'eu', limit: 42 }, { 'Mcp-Param-Region': 'eu' }],
    ['another integer', { region: 'eu', limit: 42 }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Limit': '43' }],
    ['an empty header for zero', { region: 'eu', limit: 0 }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Limit': '' }],
    ['a hexadecimal integer', { region: 'eu', limit: 42 }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Limit': '0x2A' }],
    ['a boolean of other case', { region: 'eu', dry: true }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Dry-Run': 'True' }],
    ['no header for a member of an object', { region: 'eu', where: { tenant: 't1' } }, { 'Mcp-Param-Region': 'eu' }],
    ['a header for what is absent', { region: 'eu' }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Limit': '1' }],
    ['an empty header for what is absent', { region: 'eu' }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Tenant': '' }],
    ['broken base64 for what is absent', { region: 'eu' }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Tenant': '=?base64?SGVsbG8?=' }],
    ['bytes beyond ASCII for what is absent', { region: 'eu' }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Tenant': 'Jörg' }],
    ['bytes beyond ASCII that equal the text', { region: 'Jörg' }, { 'Mcp-Param-Region': 'Jörg' }],
    ['bytes beyond ASCII for an integer', { region: 'eu', limit: 1 }, { 'Mcp-Param-Region': 'eu', 'Mcp-Param-Limit': '1\xA0' }],
    ['an object for text', { region: { a: 1 } }, { 'Mcp-Param-Region': '[object Object]' }],
  ])('is refused: %s', async (_, args, headers) => {
    const { status, response } = await query(args, headers);
    expect([status, response.error?.code]).toEqual([400, -32020]);
  });

  it('is checked after the tool was found: an unknown one is unknown, whatever its headers', async () => {
    expect(await client.error('tools/call', { name: 'nobody', arguments: { region: 'eu' } })).toMatchObject({ status: 200, code: -32602 });
  });

  it('does not show that there is a tool which this caller may not use', async () => {
    const hidden = await client.error('tools/call', { name: 'hidden', arguments: { a: 'x' } });
    expect(hidden).toMatchObject({ status: 200, code: -32602, message: 'Unknown tool: hidden' });
  });

  it('needs no header in the older era', async () => {
    const session = await open(server.url);
    expect(JSON.parse((await session.call('query', { region: 'eu' })).content[0].text)).toEqual({ region: 'eu' });
  });

  it('is announced by the schema', async () => {
    const { tools } = await client.result('tools/list');
    expect(tools[0].inputSchema.properties.region).toEqual({ type: 'string', 'x-mcp-header': 'Region' });
  });
});
