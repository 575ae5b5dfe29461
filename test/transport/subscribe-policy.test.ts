import type Koa from 'koa';
import { describe, expect, it } from 'vitest';
import type { HandlerContext } from '../../src/index.ts';
import { ModernClient } from '../support/modern.ts';
import { start } from '../support/server.ts';
import { open } from '../support/wire.ts';

const signIn: Koa.Middleware = (ctx, next) => {
  ctx.state['user'] = ctx.get('x-user') || undefined;
  return next();
};
const note = {
  uriTemplate: 'test://note/{owner}',
  handler: ({ owner }: Record<string, string>, { mcp }: HandlerContext) => (owner === mcp.principal ? 'mine' : undefined),
};
const secret = { uri: 'test://secret', enabled: ({ mcp }: HandlerContext) => mcp.principal === 'ada', handler: () => 'secret' };
const headers = { 'x-user': 'ada' };

describe('who may not read a resource does not hear of its changes', () => {
  it('resources/subscribe answers as reading does', async () => {
    await using server = await start({ resources: { note, secret } }, { before: [signIn] });
    const [ada, guest] = [await open(server.url, { headers }), await open(server.url)];
    for (const uri of ['test://note/ada', 'test://secret']) {
      expect(await ada.result('resources/subscribe', { uri })).toEqual({});
      expect(await guest.error('resources/subscribe', { uri })).toEqual(await guest.error('resources/read', { uri }));
    }
    expect((await ada.error('resources/subscribe', { uri: 'test://note/grace' })).code).toBe(-32002);
  });

  it('subscriptions/listen honours the readable URIs only', async () => {
    await using server = await start({ resources: { note, secret } }, { before: [signIn] });
    const asked = { resourceSubscriptions: ['test://note/ada', 'test://note/grace', 'test://secret', 'test://nowhere'] };
    const listening = async (client: ModernClient) => {
      const stream = await client.listen(asked);
      stream.close();
      return stream.acknowledged.params?.['notifications'];
    };
    expect(await listening(new ModernClient(server.url, { headers }))).toEqual({
      resourceSubscriptions: ['test://note/ada', 'test://secret'],
    });
    expect(await listening(new ModernClient(server.url))).toEqual({});
  });
});
