import type { Revision } from '../../src/protocol/revisions.ts';
import { change, completion, listedSession, resource, row, subscription, unsubscription } from './row-thefts.ts';
import { callOfAnother, callStreamEvent, questionOfAnother, sessionId, sessionStreamEvent, sseSessionId } from './session-thefts.ts';
import type { Attack } from './theft.ts';
import { confirmation, idempotencyKey, listCursor, pageCursor, requestState, resourceCursor } from './token-thefts.ts';

const hasSessions = ({ era }: Revision) => era === 'legacy';
const isStateless = ({ era }: Revision) => era === 'modern';

/**
 * Every attack with something of another user: what is stolen or guessed, and the revisions that have it. `attacks.test.ts` lets another user
 * and nobody try each of them. Attacks with access tokens are in `access-tokens.test.ts`, those of web pages in `pages.test.ts`, and those on
 * several processes in `replays.test.ts`.
 */
export const attacks: Readonly<Record<string, Attack>> = {
  'the id of a session': { isIn: hasSessions, steal: sessionId },
  'the id of an HTTP+SSE session': { isIn: hasSessions, steal: sseSessionId },
  'an event id of the stream of a session': { isIn: hasSessions, steal: sessionStreamEvent },
  'an event id of the stream of a call': { isIn: hasSessions, steal: callStreamEvent },
  'the request id of a running call': { isToken: false, steal: callOfAnother },
  'the id of a question to the client': { isIn: hasSessions, steal: questionOfAnother },
  'a session that operators list and end': { isIn: hasSessions, isToken: false, steal: listedSession },
  'a cursor of tools/list': { steal: listCursor },
  'a cursor of findMany': { steal: pageCursor },
  'a cursor of a list resource': { steal: resourceCursor },
  'a requestState': { isIn: isStateless, steal: requestState },
  'a confirmation token': { steal: confirmation },
  'an idempotency key': { isToken: false, steal: idempotencyKey },
  'the key of a row': { isToken: false, steal: row },
  'the URI of a resource': { isToken: false, steal: resource },
  'the beginning of a key, to complete': { isToken: false, steal: completion },
  'a subscription to a resource': { isToken: false, steal: subscription },
  'a change of a row': { isToken: false, steal: change },
  'the end of a subscription': { isIn: hasSessions, isToken: false, steal: unsubscription },
};
