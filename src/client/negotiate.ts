import { connectHttpSse, httpSseRevision } from './http-sse.ts';
import type { Endpoint } from './post.ts';
import { openSession } from './session-connection.ts';
import { connectStateless } from './stateless-connection.ts';
import { StreamableHttp } from './streamable-http.ts';
import type { Connection, Listener } from './wire.ts';
import { RequestError, revisions } from './wire.ts';

/** The revisions that can be negotiated, oldest first. */
export const spoken: readonly string[] = [httpSseRevision, ...revisions.toReversed()];

/** What a refusal says that has nothing to do with the revision: sign in, not allowed, too slow, too often. */
const otherStatuses: ReadonlySet<number> = new Set([401, 403, 408, 429]);
/** Errors that only a server of the stateless revision gives, or any server: headers and body differ, a capability is missing, internal error. */
const otherCodes: ReadonlySet<number> = new Set([-32_020, -32_021, -32_603]);

/**
 * Connects in the newest revision that both sides speak: first without a session, then with `initialize`, then over HTTP+SSE. The connection does not
 * listen yet.
 *
 * @param only The only revision to try.
 * @throws {RequestError} The server speaks none of the revisions, refuses the caller, or does not answer.
 * @see https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning
 * @see https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#backwards-compatibility
 */
export async function negotiate(endpoint: Endpoint, listener: Listener, only?: string): Promise<Connection> {
  if (only === undefined) return negotiateNewest(endpoint, listener);
  const connection = await connectOnly(endpoint, listener, only);
  const { revision } = connection.server;
  if (revision === only) return connection;
  await connection.close();
  throw new RequestError(`The server does not speak revision ${only}. It wants ${revision}.`);
}

async function connectOnly(endpoint: Endpoint, listener: Listener, only: string): Promise<Connection> {
  const [stateless] = revisions;
  if (only === stateless) return connectStateless(endpoint, stateless, listener);
  const overStreamable = () => openSession(new StreamableHttp(endpoint), endpoint, { revision: only, listener });
  return only === httpSseRevision ? connectHttpSse(endpoint, listener).catch(overStreamable) : overStreamable();
}

async function negotiateNewest(endpoint: Endpoint, listener: Listener): Promise<Connection> {
  const [stateless, newestWithSessions] = revisions;
  try {
    return await connectStateless(endpoint, stateless, listener);
  } catch (error) {
    if (!isOlderServer(error)) throw error;
  }
  try {
    return await openSession(new StreamableHttp(endpoint), endpoint, { revision: newestWithSessions, listener });
  } catch (error) {
    if (!(error instanceof RequestError && [400, 404, 405].includes(error.status))) throw error;
    return connectHttpSse(endpoint, listener).catch(() => {
      throw error;
    });
  }
}

/** Whether the refusal of a stateless request comes from a server that only has revisions with `initialize`. */
function isOlderServer(error: unknown): boolean {
  if (!(error instanceof RequestError)) return false;
  const { code, status } = error;
  return (code !== 0 || status >= 400) && status < 500 && !otherStatuses.has(status) && !otherCodes.has(code);
}
