import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { HandlerContext } from '../../src/index.ts';
import type { WireMessage } from '../support/schemas.ts';
import { start } from '../support/server.ts';
import type { WireSession } from '../support/wire.ts';
import { events, open } from '../support/wire.ts';

const form = { message: 'Sure?', requestedSchema: z.object({ ok: z.boolean() }) };

/** Starts a call that asks its client something, and waits for the question. */
async function ask(session: WireSession, id: number): Promise<{ question: WireMessage; rest: AsyncGenerator<WireMessage> }> {
  const response = await fetch(session.url, {
    method: 'POST',
    headers: { ...session.headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'ask' } }),
  });
  const rest = events(response);
  const { value } = await rest.next();
  expect(value).toMatchObject({ method: 'elicitation/create' });
  return { question: value as WireMessage, rest };
}

describe('a call that waits for its client', () => {
  it('takes its question back when the client cancels it, and its handler waits no longer', async () => {
    let stopped: ((error: Error) => void) | undefined;
    const reason = new Promise<Error>(resolve => {
      stopped = resolve;
    });
    await using server = await start({
      tools: {
        ask: {
          description: 'Asks',
          handler: (_: unknown, { mcp }: HandlerContext) =>
            mcp.elicit(form).catch((error: Error) => {
              stopped?.(error);
              throw error;
            }),
        },
      },
    });
    const session = await open(server.url, { capabilities: { elicitation: {} } });
    const { question, rest } = await ask(session, 7);
    await session.notify('notifications/cancelled', { requestId: 7, reason: 'changed my mind' });
    expect((await reason).message).toBe('changed my mind');
    const messages: WireMessage[] = [];
    for await (const message of rest) messages.push(message);
    expect(messages).toMatchObject([{ method: 'notifications/cancelled', params: { requestId: question.id } }]);
  });
});
