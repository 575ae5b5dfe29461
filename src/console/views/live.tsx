import { useState } from 'preact/hooks';
import { textIn } from '../client/wire.ts';
import { Badge, Empty, Notice } from '../components/parts.tsx';
import { textOf } from '../components/results.ts';
import { linkTo } from '../route.ts';
import type { ReceivedEvent } from '../state.ts';
import { messageOf, state, useConsole } from '../state.ts';

const levels = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];
const streamTexts = {
  off: 'The stream is closed',
  connecting: 'The stream is being opened',
  open: 'The stream is open',
  waiting: 'The stream broke and is opened again',
};

/** What the server sends on its own: log messages, progress, changes. */
export function LiveView() {
  const { events, stream, streamProblem, subscribed, logLevel } = useConsole();
  const [kind, setKind] = useState('all');
  const [problem, setProblem] = useState<string>();
  const kinds = [...new Set(events.map(({ method }) => method))].toSorted();
  const shown = events.filter(({ method }) => kind === 'all' || method === kind);
  const setLevel = (level: string) => {
    setProblem(undefined);
    state.setLogLevel(level === '' ? undefined : level).catch((error: unknown) => setProblem(messageOf(error)));
  };
  return (
    <div class="stack">
      <div class="head">
        <h1>Live stream</h1>
        <p class="head-line" role="status">
          <span class={`dot dot-${stream === 'open' ? 'ready' : stream === 'off' ? 'failed' : 'connecting'}`} aria-hidden="true" />
          {streamTexts[stream]}
          {streamProblem !== undefined && `: ${streamProblem}`}
        </p>
      </div>
      <div class="bar">
        <label class="field">
          <span class="field-label">Log messages from</span>
          <select class="input" value={logLevel ?? ''} onChange={event => setLevel(event.currentTarget.value)}>
            <option value="">As the server decides</option>
            {levels.map(level => (
              <option key={level}>{level}</option>
            ))}
          </select>
        </label>
        <label class="field">
          <span class="field-label">Show</span>
          <select class="input" value={kind} onChange={event => setKind(event.currentTarget.value)}>
            <option value="all">Everything</option>
            {kinds.map(each => (
              <option key={each} value={each}>
                {each.replace('notifications/', '')}
              </option>
            ))}
          </select>
        </label>
        <button type="button" class="button" disabled={events.length === 0} onClick={() => state.clearEvents()}>
          Clear
        </button>
      </div>
      {problem !== undefined && (
        <Notice tone="bad">
          <p>{problem}</p>
        </Notice>
      )}
      <section class="stack-small">
        <h2>Subscriptions</h2>
        {subscribed.length === 0 ? (
          <p class="faint">
            None. Open a <a href={linkTo('resources')}>resource</a> and subscribe to its changes.
          </p>
        ) : (
          <ul class="plain-list">
            {subscribed.map(uri => (
              <li key={uri} class="list-item">
                <a class="uri" href={linkTo('resources', uri)}>
                  {uri}
                </a>
                <button
                  type="button"
                  class="button button-small button-quiet"
                  aria-label={`Unsubscribe from ${uri}`}
                  onClick={() => void state.unsubscribe(uri)}
                >
                  Unsubscribe
                </button>
              </li>
            ))}
          </ul>
        )}
      </section>
      <section class="stack-small">
        <h2>Messages</h2>
        {shown.length === 0 ? (
          <Empty title="Nothing received yet">
            Call a tool that reports progress or writes log messages, or subscribe to a resource. What the server sends appears here.
          </Empty>
        ) : (
          <ol class="events" aria-live="polite" aria-relevant="additions">
            {shown.map(event => (
              <EventRow key={event.number} event={event} />
            ))}
          </ol>
        )}
      </section>
    </div>
  );
}

function EventRow({ event: { at, method, params } }: { event: ReceivedEvent }) {
  const level = textIn(params['level']);
  const isBad = level !== undefined && levels.indexOf(level) >= levels.indexOf('error');
  return (
    <li class="event">
      <time class="faint" dateTime={at.toISOString()}>
        {at.toLocaleTimeString()}
      </time>
      <div class="event-text">
        <p class="head-line">
          <code>{method.replace('notifications/', '')}</code>
          {level !== undefined && <Badge tone={isBad ? 'bad' : level === 'warning' ? 'warn' : 'plain'}>{level}</Badge>}
        </p>
        <p class="text">{summaryOf(method, params)}</p>
      </div>
    </li>
  );
}

function summaryOf(method: string, params: ReceivedEvent['params']): string {
  const { data, logger, uri, progress, total, message, ...others } = params;
  if (method === 'notifications/message') return `${logger === undefined ? '' : `${textOf(logger)}: `}${textOf(data)}`;
  if (method === 'notifications/resources/updated') return textOf(uri);
  if (method === 'notifications/progress')
    return `${textOf(progress)}${total === undefined ? '' : ` of ${textOf(total)}`}${message === undefined ? '' : `: ${textOf(message)}`}`;
  const { _meta, ...rest } = others;
  return Object.keys(rest).length === 0 ? '' : textOf(rest);
}
