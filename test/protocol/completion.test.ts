import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import type { WireSession } from '../support/wire.ts';
import { open } from '../support/wire.ts';

describe('completion/complete', () => {
  let server: TestServer;
  let session: WireSession;
  beforeAll(async () => {
    const some = (count: number) => Array.from({ length: count }, (_, index) => `value ${index}`);
    server = await start({
      resources: {
        shelf: { uriTemplate: 'test://{count}', complete: { count: (value: string) => some(Number(value)) }, handler: () => 'x' },
      },
    });
    session = await open(server.url);
  });
  afterAll(() => server[Symbol.asyncDispose]());

  it.each([
    [0, 0, false],
    [99, 99, false],
    [100, 100, false],
    [101, 100, true],
  ])('of %i values sends %i, and says whether there are more: %j', async (count, sent, hasMore) => {
    const ref = { type: 'ref/resource', uri: 'test://{count}' };
    const { completion } = await session.result('completion/complete', { ref, argument: { name: 'count', value: `${count}` } });
    expect([completion.values.length, completion.hasMore]).toEqual([sent, hasMore]);
  });

  it('takes the URI of a resource for its template, if it is not too long', async () => {
    const complete = (uri: string) =>
      session.request('completion/complete', { ref: { type: 'ref/resource', uri }, argument: { name: 'count', value: '2' } });
    expect((await complete('test://7')).response.result.completion.values).toEqual(['value 0', 'value 1']);
    expect((await complete(`test://${'7'.repeat(8192)}`)).response.error).toMatchObject({ code: -32602 });
    expect((await complete('other://7')).response.error).toMatchObject({ code: -32602, message: 'Unknown resource template: other://7' });
  });
});
