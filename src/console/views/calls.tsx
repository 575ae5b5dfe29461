import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { JsonObject } from '../../protocol/definitions.ts';
import { objectsIn, RequestError, textIn } from '../client/wire.ts';
import { Badge, Empty, Notice, ScrollBox, Tabs } from '../components/parts.tsx';
import { linkTo } from '../route.ts';
import { messageOf, operatorLists, state, useConsole } from '../state.ts';
import { inTime } from './running.tsx';

/** The requests of this page and, for operators of an app that records them, the calls of all clients. */
export function CallsView() {
  const [whose, setWhose] = useState<'own' | 'all'>('own');
  return (
    <div class="stack">
      <div class="head">
        <h1>Calls</h1>
        <p class="lead">
          {whose === 'own'
            ? 'The requests that this page has sent, newest first, with the time until the whole answer was there.'
            : 'The last calls of all clients in all processes, as the audit log has recorded them.'}
        </p>
      </div>
      {operatorLists.includes('calls') && (
        <Tabs
          label="Whose calls"
          selected={whose}
          onSelect={setWhose}
          tabs={[
            ['own', 'This page'],
            ['all', 'All clients'],
          ]}
        />
      )}
      {whose === 'own' ? <OwnCalls /> : <RecordedCalls />}
    </div>
  );
}

function OwnCalls() {
  const { requests } = useConsole();
  if (requests.length === 0) {
    return (
      <Empty title="No calls yet">
        Call a <a href={linkTo('tools')}>tool</a>, and it appears here.
      </Empty>
    );
  }
  return (
    <CallsTable columns={['Time', 'Method', 'Name', 'Took', 'Outcome']}>
      {requests.map(({ number, at, method, name, ms, outcome, error }) => (
        <tr key={number}>
          <td class="nowrap">{at.toLocaleTimeString()}</td>
          <td class="nowrap">{method}</td>
          <NameCell name={name} />
          <td class="number nowrap">{inTime(ms)}</td>
          <OutcomeCell outcome={outcome} error={error} />
        </tr>
      ))}
    </CallsTable>
  );
}

function RecordedCalls() {
  const [calls, setCalls] = useState<readonly JsonObject[]>();
  const [problem, setProblem] = useState<unknown>();
  const load = () => {
    setProblem(undefined);
    state.fetchList('calls').then(page => setCalls(objectsIn(page['calls'])), setProblem);
  };
  useEffect(load, []);
  if (problem instanceof RequestError && problem.status === 403) {
    return (
      <Empty title="Only for operators">
        The app shows calls to callers for whom its option <code>operators</code> says yes. Sign in as one of them.
      </Empty>
    );
  }
  return (
    <>
      <div class="actions">
        <button type="button" class="button" onClick={load}>
          Read again
        </button>
      </div>
      {problem !== undefined && (
        <Notice tone="bad">
          <p>{messageOf(problem)}</p>
        </Notice>
      )}
      {calls?.length === 0 && <Empty title="No calls recorded">The audit log records writes, and reads if the app says so.</Empty>}
      {calls !== undefined && calls.length > 0 && (
        <CallsTable columns={['Time', 'Principal', 'Client', 'Method', 'Name', 'Took', 'Rows', 'Outcome']}>
          {calls.map((each, index) => (
            <tr key={index}>
              <td class="nowrap">
                {new Date(String(each['startedAt'])).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' })}
              </td>
              <td>{textIn(each['principal']) ?? <span class="faint">guest</span>}</td>
              <td>{textIn(each['client']) ?? <span class="faint">unknown</span>}</td>
              <td class="nowrap">{textIn(each['method'])}</td>
              <NameCell name={textIn(each['name'])} />
              <td class="number nowrap">
                {typeof each['durationMs'] === 'number' ? inTime(each['durationMs']) : <span class="faint">–</span>}
              </td>
              <td class="number">{typeof each['rows'] === 'number' ? each['rows'] : <span class="faint">–</span>}</td>
              <OutcomeCell outcome={textIn(each['outcome']) ?? ''} error={textIn(each['error'])} />
            </tr>
          ))}
        </CallsTable>
      )}
    </>
  );
}

function CallsTable({ columns, children }: { columns: readonly string[]; children: ComponentChildren }) {
  return (
    <ScrollBox label="Calls">
      <table>
        <thead>
          <tr>
            {columns.map(column => (
              <th key={column} scope="col">
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </ScrollBox>
  );
}

function NameCell({ name }: { name: string | undefined }) {
  return <td>{name === undefined ? <span class="faint">–</span> : <span class="text">{name}</span>}</td>;
}

function OutcomeCell({ outcome, error }: { outcome: string; error: string | undefined }) {
  return (
    <td>
      <Badge tone={outcome === 'ok' ? 'good' : outcome === 'error' ? 'bad' : 'warn'}>{outcome.replaceAll('_', ' ')}</Badge>
      {error !== undefined && <p class="text faint">{error}</p>}
    </td>
  );
}
