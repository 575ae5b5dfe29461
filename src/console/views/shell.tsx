import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RevisionId } from '../client/wire.ts';
import { isStateless, revisions, textIn } from '../client/wire.ts';
import { Notice } from '../components/parts.tsx';
import { linkTo, useRoute } from '../route.ts';
import { operatorLists, state, useConsole } from '../state.ts';
import { CallsView } from './calls.tsx';
import { ConnectView } from './connect.tsx';
import { LiveView } from './live.tsx';
import { OverviewView } from './overview.tsx';
import { PromptsView } from './prompts.tsx';
import { Questions } from './questions.tsx';
import { ResourcesView } from './resources.tsx';
import { SessionsView } from './sessions.tsx';
import { SignInDialog, SignInForm } from './sign-in.tsx';
import { ToolsView } from './tools.tsx';

/** The frame of the page: navigation, the state of the connection, and the view. */
export function Shell() {
  const values = useConsole();
  const { view, item } = useRoute();
  const [isMenuOpen, setMenuOpen] = useState(false);
  const [isSigningIn, setSigningIn] = useState(false);
  const main = useRef<HTMLElement>(null);
  const place = `${view}/${item ?? ''}`;
  const [shown, setShown] = useState(place);
  // A new view begins at its top, also for those who read it out.
  useEffect(() => {
    if (place === shown) return;
    setShown(place);
    setMenuOpen(false);
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [place, shown]);
  const info = values.connection?.server.info ?? {};
  const title = textIn(info['title']) ?? textIn(info['name']) ?? 'MCP console';
  const count = ({ items }: { items: readonly unknown[] | undefined }) => items?.length;
  const entries: [string, string, number | undefined][] = [
    ['overview', 'Overview', undefined],
    ['connect', 'Connect a client', undefined],
    ['tools', 'Tools', count(values.tools)],
    ['resources', 'Resources', sum(count(values.resources), count(values.templates))],
    ['prompts', 'Prompts', count(values.prompts)],
    ['live', 'Live stream', values.events.length || undefined],
    ['calls', 'Calls', values.requests.length || undefined],
    ...(operatorLists.includes('sessions') ? [['sessions', 'Sessions', undefined] satisfies [string, string, undefined]] : []),
  ];
  return (
    <>
      <button type="button" class="button skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <div class="shell">
        <header class="side">
          <div class="side-top">
            <a class="brand" href={linkTo('overview')}>
              <span class="mark" aria-hidden="true" />
              <span class="brand-text">
                <span class="brand-name">{title}</span>
                <span class="brand-kind">MCP console</span>
              </span>
            </a>
            <button
              type="button"
              class="button menu-button"
              aria-expanded={isMenuOpen}
              aria-controls="menu"
              onClick={() => setMenuOpen(!isMenuOpen)}
            >
              {isMenuOpen ? 'Close' : 'Menu'}
            </button>
          </div>
          <div class={`menu ${isMenuOpen ? 'menu-open' : ''}`} id="menu">
            <nav aria-label="Views">
              <ul class="nav">
                {entries.map(([id, name, number]) => (
                  <li key={id}>
                    <a href={linkTo(id)} aria-current={view === id ? 'page' : undefined} onClick={() => setMenuOpen(false)}>
                      {name}
                      {number !== undefined && <span class="nav-count">{number}</span>}
                    </a>
                  </li>
                ))}
              </ul>
            </nav>
            <div class="side-foot">
              <label class="field">
                <span class="field-label">Protocol revision</span>
                <select
                  class="input"
                  value={values.revision}
                  onChange={event => void state.connect({ revision: event.currentTarget.value as RevisionId })}
                >
                  {revisions.map(revision => (
                    <option key={revision} value={revision}>
                      {revision} {isStateless(revision) ? '(stateless)' : '(session)'}
                    </option>
                  ))}
                </select>
              </label>
              <div class="account">
                <p class="account-state">
                  <span class={`dot dot-${values.status}`} aria-hidden="true" />
                  {statusText(values.status)}
                  {values.token !== undefined && ', signed in'}
                </p>
                {values.token === undefined ? (
                  <button type="button" class="button button-small" onClick={() => setSigningIn(true)}>
                    Sign in
                  </button>
                ) : (
                  <button type="button" class="button button-small" onClick={() => void state.connect({ token: '' })}>
                    Sign out
                  </button>
                )}
              </div>
            </div>
          </div>
        </header>
        <main id="main" ref={main} tabIndex={-1}>
          <Body>
            {view === 'tools' ? (
              <ToolsView name={item} />
            ) : view === 'resources' ? (
              <ResourcesView uri={item} />
            ) : view === 'prompts' ? (
              <PromptsView name={item} />
            ) : view === 'connect' ? (
              <ConnectView />
            ) : view === 'live' ? (
              <LiveView />
            ) : view === 'calls' ? (
              <CallsView />
            ) : view === 'sessions' ? (
              <SessionsView />
            ) : (
              <OverviewView />
            )}
          </Body>
        </main>
      </div>
      {isSigningIn && <SignInDialog onClose={() => setSigningIn(false)} />}
      <Questions />
    </>
  );
}

/** The view, or why there is none. How to connect, and what was called, is there without a connection too. */
function Body({ children }: { children: ComponentChildren }) {
  const { status, error } = useConsole();
  const { view } = useRoute();
  if (status === 'ready' || view === 'connect' || view === 'calls') return children;
  if (status === 'connecting')
    return (
      <p class="waiting" role="status">
        Connecting …
      </p>
    );
  const isUnknown = error?.status === 401;
  return (
    <div class="stack narrow">
      <h1>{isUnknown ? 'Sign in' : 'No connection'}</h1>
      <Notice tone={isUnknown ? 'plain' : 'bad'}>
        <p>{error?.message}</p>
      </Notice>
      {isUnknown ? (
        <SignInForm />
      ) : (
        <p>
          <button type="button" class="button button-main" onClick={() => void state.connect()}>
            Connect again
          </button>
        </p>
      )}
    </div>
  );
}

function statusText(status: 'connecting' | 'ready' | 'failed'): string {
  return { connecting: 'Connecting', ready: 'Connected', failed: 'Not connected' }[status];
}

function sum(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a + b;
}
