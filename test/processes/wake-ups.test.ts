import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { clientCapabilities } from '../clients/client.ts';
import { places, startCluster, to } from './cluster.ts';
import { combinations, openPlace } from './combinations.ts';
import { pingAt } from './end-scenarios.ts';
import { eventually } from './eventually.ts';
import { openCall, openGet, openSession, openSseAt, resumeCall, textOf } from './requests.ts';

// Long enough for none of the processes to look by itself, or to read the row of a session again.
const sessions = { lookMs: 3_600_000, cacheMs: 3_600_000 };

describe.each([combinations.postgres, combinations.redis])('processes that never look by themselves, over $name', combination => {
  if (!combination.isAvailable) {
    it('reach their servers', combination.require);
    return;
  }

  it('are woken for whatever is for them', async () => {
    await using place = await openPlace(combination);
    await using cluster = await startCluster({ ...place.settings, sessions, limits: {} });
    const session = await openSession(cluster, 'a', clientCapabilities);
    const [uri, key] = [`test://item/${randomUUID()}`, randomUUID()];

    // A notification.
    await session.request('resources/subscribe', { uri }, to('a'));
    const stream = await openGet(session, 'c');
    await cluster.at('b').order({ do: 'resourceUpdated', uris: [uri] });
    await stream.until(message => textOf(message) === uri);

    // An answer.
    const asking = await openCall(session, 'a', 'form', {});
    const { id } = await asking.until(({ method }) => method === 'elicitation/create');
    await session.send({ jsonrpc: '2.0', id, result: { action: 'decline' } }, to('b'));
    expect((await asking.end()).map(textOf).at(-1)).toBe('decline');

    // The response of an HTTP+SSE client's call.
    const sse = await openSseAt(cluster, 'a');
    const params = { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'sse', version: '1' } };
    expect((await sse.request('initialize', params, to('b').headers)).result.protocolVersion).toBe('2024-11-05');

    // The rest of a call's stream.
    await cluster.at('a').order({ do: 'feed', key, line: 'one' });
    const call = await openCall(session, 'a', 'say', { key });
    await call.count(1);
    call.close();
    const resumed = await resumeCall(session, 'b', call.lastEventId);
    await cluster.at('a').order({ do: 'feed', key, line: 'two' });
    await resumed.count(1);

    // The end of a session, with its streams and calls, and in the memory of every process.
    for (const place of places) expect(await pingAt(session, place)).toBe(200);
    await fetch(cluster.url, { method: 'DELETE', headers: { ...session.headers, ...to('b').headers } });
    await cluster.at('a').order({ do: 'aborted', key });
    await stream.end();
    expect((await resumed.end()).map(textOf)).toEqual(['two']);
    for (const place of places) {
      await eventually(async () => (await pingAt(session, place)) === 404 || undefined, `an end at ${place}`);
    }
    expect(cluster.takeProblems()).toEqual([]);
  }, 60_000);
});
