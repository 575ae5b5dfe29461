import { describe, expect, it } from 'vitest';
import type { McpOptions } from '../../src/index.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};

/** The status of an `initialize` by this user, and what the app was told. */
async function initializeAs(user: unknown, options: Partial<McpOptions> = {}): Promise<[status: number, error: string | undefined]> {
  await using server = await start(options, {
    before: [
      (ctx, next) => {
        ctx.state['user'] = user;
        return next();
      },
    ],
  });
  const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
  const response = await fetch(server.url, { method: 'POST', headers, body: JSON.stringify(initialize) });
  await response.text();
  const [error] = server.errors.splice(0);
  return [response.status, error?.message];
}

describe('a signed-in user without a name', () => {
  it.each([[{ id: '' }], [{ id: Number.NaN }], [{ id: Number.POSITIVE_INFINITY }], [''], [Number.NaN], [{ id: '', sub: '' }], [{}]])(
    'such as %o is refused, and shares no session with anybody',
    async user => {
      expect(await initializeAs(user)).toEqual([500, expect.stringContaining('ctx.state.user has no usable `id` or `sub`')]);
    },
  );

  it('is refused where the option principal gives an empty one', async () => {
    for (const principal of [() => '', async () => '']) {
      expect(await initializeAs({}, { principal })).toEqual([500, expect.stringContaining("principal: returned ''")]);
    }
  });

  it.each([[{ id: 0 }], [{ id: 5n }], [{ sub: 'a' }], [{ id: '', sub: 'a' }], ['name'], [undefined]])('%o is none', async user => {
    expect(await initializeAs(user)).toEqual([200, undefined]);
  });

  it('and a guest are different', async () => {
    await using server = await start(
      {},
      {
        before: [
          (ctx, next) => {
            const id = ctx.get('authorization');
            if (id !== '') ctx.state['user'] = { id };
            return next();
          },
        ],
      },
    );
    const guest = await open(server.url);
    const { status } = await fetch(server.url, {
      method: 'POST',
      headers: { ...guest.headers, authorization: '0', 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'ping' }),
    });
    expect(status).toBe(404);
  });
});
