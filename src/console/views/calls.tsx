import { Badge, Empty, ScrollBox } from '../components/parts.tsx';
import { linkTo } from '../route.ts';
import { useConsole } from '../state.ts';
import { inTime } from './running.tsx';

/** The requests of this page, with the time that each took. */
export function CallsView() {
  const { requests } = useConsole();
  return (
    <div class="stack">
      <div class="head">
        <h1>Calls</h1>
        <p class="lead">The requests that this page has sent, newest first, with the time until the whole answer was there.</p>
      </div>
      {requests.length === 0 ? (
        <Empty title="No calls yet">
          Call a <a href={linkTo('tools')}>tool</a>, and it appears here.
        </Empty>
      ) : (
        <ScrollBox label="Calls">
          <table>
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Method</th>
                <th scope="col">Name</th>
                <th scope="col">Took</th>
                <th scope="col">Outcome</th>
              </tr>
            </thead>
            <tbody>
              {requests.map(({ number, at, method, name, ms, outcome, error }) => (
                <tr key={number}>
                  <td class="nowrap">{at.toLocaleTimeString()}</td>
                  <td class="nowrap">{method}</td>
                  <td>{name === undefined ? <span class="faint">–</span> : <span class="text">{name}</span>}</td>
                  <td class="number nowrap">{inTime(ms)}</td>
                  <td>
                    <Badge tone={outcome === 'ok' ? 'good' : outcome === 'error' ? 'bad' : 'warn'}>{outcome}</Badge>
                    {error !== undefined && <p class="text faint">{error}</p>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollBox>
      )}
    </div>
  );
}
