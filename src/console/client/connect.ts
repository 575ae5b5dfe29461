import type { Endpoint } from './post.ts';
import { openSession } from './session-connection.ts';
import { connectStateless } from './stateless-connection.ts';
import type { Connection, Listener, RevisionId } from './wire.ts';
import { isStateless } from './wire.ts';

/** Connects in a revision. @throws {RequestError} The server refuses, or does not answer. */
export function connect(endpoint: Endpoint, revision: RevisionId, listener: Listener): Promise<Connection> {
  return isStateless(revision) ? connectStateless(endpoint, revision, listener) : openSession(endpoint, revision, listener);
}
