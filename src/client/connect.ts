import type { Endpoint } from './post.ts';
import { openSession } from './session-connection.ts';
import { connectStateless } from './stateless-connection.ts';
import { StreamableHttp } from './streamable-http.ts';
import type { Connection, Listener, RevisionId } from './wire.ts';
import { isStateless } from './wire.ts';

/** Connects in a revision, and listens. @throws {RequestError} The server refuses, or does not answer. */
export async function connect(endpoint: Endpoint, revision: RevisionId, listener: Listener): Promise<Connection> {
  const connection = isStateless(revision)
    ? await connectStateless(endpoint, revision, listener)
    : await openSession(new StreamableHttp(endpoint), endpoint, { revision, listener });
  await connection.listen();
  return connection;
}
