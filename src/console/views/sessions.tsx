import { useEffect, useState } from 'preact/hooks';
import type { JsonObject } from '../../protocol/definitions.ts';
import { objectsIn, RequestError, textIn } from '../client/wire.ts';
import { Badge, Dialog, Empty, Notice, ScrollBox } from '../components/parts.tsx';
import { textOf } from '../components/results.ts';
import { messageOf, state, useConsole } from '../state.ts';

/** The sessions in the database, for operators. */
export function SessionsView() {
  const { connection } = useConsole();
  const [sessions, setSessions] = useState<readonly JsonObject[]>();
  const [next, setNext] = useState<string>();
  const [problem, setProblem] = useState<string>();
  const [isRefused, setRefused] = useState(false);
  const [ending, setEnding] = useState<JsonObject>();
  const load = async (after?: string) => {
    try {
      const page = await state.fetchList(`sessions?take=50${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`);
      setSessions(before => [...(after === undefined ? [] : (before ?? [])), ...objectsIn(page['sessions'])]);
      setNext(textIn(page['next']));
      setProblem(undefined);
    } catch (error) {
      if (error instanceof RequestError && error.status === 403) setRefused(true);
      else setProblem(messageOf(error));
    }
  };
  useEffect(() => void load(), []);
  const end = async () => {
    const id = textIn(ending?.['id']);
    setEnding(undefined);
    try {
      if (id !== undefined) await state.endSession(id);
      await load();
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  const own = connection?.server.sessionId;
  return (
    <div class="stack">
      <div class="head">
        <h1>Sessions</h1>
        <p class="lead">The sessions of all clients, in whichever process they are served, last used first.</p>
      </div>
      <div class="actions">
        <button type="button" class="button" onClick={() => void load()}>
          Read again
        </button>
      </div>
      {problem !== undefined && (
        <Notice tone="bad">
          <p>{problem}</p>
        </Notice>
      )}
      {isRefused ? (
        <Empty title="Only for operators">
          The app shows sessions to callers for whom its option <code>operators</code> says yes. Sign in as one of them.
        </Empty>
      ) : sessions === undefined ? (
        problem === undefined && (
          <p role="status" class="waiting">
            Reading the list …
          </p>
        )
      ) : sessions.length === 0 ? (
        <Empty title="No sessions">Clients of 2026-07-28 have none. Choose an older revision, and this page opens one.</Empty>
      ) : (
        <ScrollBox label="Sessions">
          <table>
            <thead>
              <tr>
                <th scope="col">Client</th>
                <th scope="col">Principal</th>
                <th scope="col">Revision</th>
                <th scope="col">Stream</th>
                <th scope="col">Opened</th>
                <th scope="col">Last used</th>
                <th scope="col">
                  <span class="hidden">End</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {sessions.map(session => (
                <tr key={String(session['id'])}>
                  <td>
                    {String(session['clientName'])} {String(session['clientVersion'])}{' '}
                    {session['id'] === own && <Badge tone="good">this page</Badge>}
                  </td>
                  <td>{session['principal'] === null ? <span class="faint">guest</span> : textOf(session['principal'])}</td>
                  <td class="nowrap">
                    {String(session['revision'])}
                    {session['initialized'] !== true && <Badge tone="warn">not initialized</Badge>}
                  </td>
                  <td>
                    {session['connection'] === null ? (
                      <span class="faint">none</span>
                    ) : (
                      <span class="text">{nodeOf(session['connection'])}</span>
                    )}
                  </td>
                  <td class="nowrap">{timeOf(session['createdAt'])}</td>
                  <td class="nowrap">{timeOf(session['lastSeenAt'])}</td>
                  <td>
                    <button
                      type="button"
                      class="button button-small"
                      aria-label={`End the session of ${String(session['clientName'])}`}
                      onClick={() => setEnding(session)}
                    >
                      End
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
      {next !== undefined && (
        <p>
          <button type="button" class="button" onClick={() => void load(next)}>
            More sessions
          </button>
        </p>
      )}
      {ending !== undefined && (
        <Dialog title="End this session?" onClose={() => setEnding(undefined)}>
          <p>The client {String(ending['clientName'])} loses its session. Some clients stay broken until they are restarted.</p>
          <div class="actions">
            <button type="button" class="button button-danger" onClick={() => void end()}>
              End the session
            </button>
            <button type="button" class="button" onClick={() => setEnding(undefined)}>
              Go back
            </button>
          </div>
        </Dialog>
      )}
    </div>
  );
}

/** `<process>/<connection>` → the name of the process. */
function nodeOf(connection: unknown): string {
  return String(connection).replace(/\/[^/]*$/u, '');
}

function timeOf(value: unknown): string {
  const date = new Date(String(value));
  return Number.isNaN(date.getTime()) ? String(value) : date.toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'short' });
}
