import { expect } from 'vitest';
import type { Json } from '../security/world.ts';
import { ask, bearer, openAs } from '../security/world.ts';
import { ModernClient, modernRequest } from '../support/modern.ts';
import type { TestServer } from '../support/server.ts';
import type { EventReader } from '../support/sse.ts';
import { openReader } from '../support/sse.ts';
import type { WireSession } from '../support/wire.ts';

const user = 2;
/** What it is subscribed to. */
export const watched = 'test://item/watched';
const booking = { clientId: user, startsAt: '2026-05-01T09:00:00.000Z', price: '1', internalNote: 'of the neighbour' };
const write = { data: booking, idempotencyKey: 'mine' };

/** A signed-in caller who keeps one of everything that an endpoint keeps for a caller. */
export class Neighbour {
  readonly #server: TestServer;
  readonly #session: WireSession;
  readonly #stateless: ModernClient;
  readonly #streams: readonly EventReader[];
  /** A call that waits for this caller's answer. */
  readonly #requestState: string;
  readonly #written: Json;
  readonly #taskId: string;

  private constructor(
    server: TestServer,
    kept: { session: WireSession; stateless: ModernClient; streams: EventReader[]; requestState: string; written: Json; taskId: string },
  ) {
    this.#server = server;
    this.#session = kept.session;
    this.#stateless = kept.stateless;
    this.#streams = kept.streams;
    this.#requestState = kept.requestState;
    this.#written = kept.written;
    this.#taskId = kept.taskId;
  }

  /** Opens a session with a stream and a subscription, a stream of `subscriptions/listen`, a continuation, an idempotency key and a task. */
  static async moveIn(server: TestServer): Promise<Neighbour> {
    const session = await openAs(server.url, user);
    const stateless = new ModernClient(server.url, { headers: bearer(user), capabilities: { elicitation: {} } });
    await session.result('resources/subscribe', { uri: watched });
    const { body, headers } = modernRequest('subscriptions/listen', { notifications: { resourceSubscriptions: [watched] } });
    const streams = [
      await openReader({ url: server.url, headers: { ...session.headers, accept: 'text/event-stream' } }),
      await openReader({ url: server.url, headers: { ...headers, ...bearer(user) }, body }),
    ];
    const { requestState } = await stateless.call('ask');
    const written = await ask(session, 'booking_create', write);
    const { task } = await session.result('tools/call', { name: 'job', task: {} });
    return new Neighbour(server, { session, stateless, streams, requestState, written, taskId: task.taskId });
  }

  /** Calls in both eras. */
  async calls(): Promise<void> {
    const [inSession, without, rows, read] = await Promise.all([
      this.#session.call('echo'),
      this.#stateless.call('echo'),
      ask(this.#session, 'booking_findMany', { where: { clientId: user, status: 'PENDING' }, take: 1 }),
      this.#session.result('resources/read', { uri: watched }),
    ]);
    expect([inSession.content[0].text, without.content[0].text]).toEqual(['echo', 'echo']);
    expect(rows.rows).toHaveLength(1);
    expect(read.contents[0].text).toBe('item');
  }

  /** Looks whether everything is still there, and uses it. */
  async hasEverything(): Promise<void> {
    await this.#server.mcp.resourceUpdated(watched);
    for (const stream of this.#streams)
      await stream.until(({ method, params }) => method === 'notifications/resources/updated' && params?.['uri'] === watched);
    const answers = {
      name: 'ask',
      requestState: this.#requestState,
      inputResponses: { elicitation_create_1: { action: 'accept', content: { name: 'x' } } },
    };
    expect((await this.#stateless.result('tools/call', answers)).resultType).toBe('input_required');
    expect(await ask(this.#session, 'booking_create', write)).toEqual(this.#written);
    expect((await this.#session.result('tasks/get', { taskId: this.#taskId })).status).toBe('working');
    await this.#session.result('tasks/cancel', { taskId: this.#taskId });
  }

  moveOut(): void {
    for (const stream of this.#streams) stream.close();
  }
}
