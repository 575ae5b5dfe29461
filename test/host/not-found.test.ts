import { describe, expect, it } from 'vitest';
import { ToolError } from '../../src/index.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

/** As Prisma's `findUniqueOrThrow` throws. */
const missingRow = Object.assign(new Error('No record was found'), { code: 'P2025', clientVersion: '7.10.0' });

describe('a resource whose handler finds nothing', () => {
  it.each([
    ['gives undefined', () => undefined],
    ['gives null', () => null],
    ['throws 404 by ctx.throw', (_args: unknown, ctx: { throw: (status: number) => never }) => ctx.throw(404)],
    ['throws a ToolError with 404', () => Promise.reject(new ToolError('No such dish', { status: 404 }))],
    ['lets Prisma say so', () => Promise.reject(missingRow)],
  ])('is not found, and nothing is reported, when it %s', async (_, handler) => {
    await using server = await start({ resources: { dish: { uriTemplate: 'house://dish/{id}', handler: handler as () => unknown } } });
    const error = await (await open(server.url)).error('resources/read', { uri: 'house://dish/9' });
    expect(error).toEqual({ code: -32002, message: 'Resource not found: house://dish/9', data: { uri: 'house://dish/9' } });
  });
});

describe('a tool without inputSchema', () => {
  it('gets no arguments, whatever the client sends', async () => {
    await using server = await start({ tools: { echo: { description: 'Shows its arguments', handler: args => JSON.stringify(args) } } });
    expect((await (await open(server.url)).call('echo', { sneaky: true })).content[0].text).toBe('{}');
  });
});

describe('a GET without a session, as a browser sends it', () => {
  it('is answered 405 and says what is missing', async () => {
    await using server = await start({ tools: { echo: { description: 'x', handler: () => 'x' } } });
    const response = await fetch(server.url);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST, GET, DELETE');
    expect(await response.json()).toMatchObject({ error: { message: 'Method not allowed: GET needs an Mcp-Session-Id' } });
  });
});
