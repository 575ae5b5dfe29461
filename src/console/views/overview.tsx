import { isObject, textIn } from '../client/wire.ts';
import { Badge, Code, Empty } from '../components/parts.tsx';
import { wordsOf } from '../components/schema.ts';
import { linkTo } from '../route.ts';
import { url, useConsole } from '../state.ts';

/** What the server says of itself. */
export function OverviewView() {
  const { connection, tools, resources, templates, prompts } = useConsole();
  if (connection === undefined) return null;
  const { info, instructions, capabilities, revision, supportedVersions, sessionId } = connection.server;
  const name = textIn(info['name']) ?? 'unnamed';
  const title = textIn(info['title']) ?? name;
  const website = textIn(info['websiteUrl']);
  const counts: [string, string, number | undefined][] = [
    ['tools', 'Tools', tools.items?.length],
    ['resources', 'Resources', (resources.items?.length ?? 0) + (templates.items?.length ?? 0)],
    ['prompts', 'Prompts', prompts.items?.length],
  ];
  return (
    <div class="stack">
      <div class="head">
        <h1>{title}</h1>
        <p class="head-line">
          <code>{name}</code>
          <Badge>version {textIn(info['version']) ?? 'unknown'}</Badge>
          <Badge tone="good">{revision}</Badge>
        </p>
        {textIn(info['description']) !== undefined && <p class="lead">{textIn(info['description'])}</p>}
        {website !== undefined && /^https?:/u.test(website) && (
          <p>
            <a href={website} target="_blank" rel="noopener noreferrer">
              {website}
            </a>
          </p>
        )}
      </div>
      <ul class="tiles">
        {counts.map(([view, label, count]) => (
          <li key={view}>
            <a class="tile" href={linkTo(view)}>
              <span class="tile-number">{count ?? '…'}</span>
              <span class="tile-name">{label}</span>
            </a>
          </li>
        ))}
      </ul>
      <section class="stack">
        <h2>Address</h2>
        <Code label="Address of the endpoint" text={url} />
        <p>
          <a href={linkTo('connect')}>Connect Claude, ChatGPT, Cursor and other clients</a>
        </p>
      </section>
      <section class="stack">
        <h2>Instructions</h2>
        {instructions === undefined ? (
          <Empty title="No instructions">
            Set the option <code>instructions</code> to tell language models how to use this server as a whole.
          </Empty>
        ) : (
          <p class="panel text">{instructions}</p>
        )}
      </section>
      <section class="stack">
        <h2>Protocol</h2>
        <dl class="record panel">
          <div class="record-row">
            <dt>Revision</dt>
            <dd>
              {revision}, {sessionId === undefined ? 'without a session' : 'with a session'}
            </dd>
          </div>
          {supportedVersions.length > 0 && (
            <div class="record-row">
              <dt>Stateless revisions</dt>
              <dd>{supportedVersions.join(', ')}</dd>
            </div>
          )}
          {sessionId !== undefined && (
            <div class="record-row">
              <dt>Session</dt>
              <dd>
                <code class="uri">{sessionId}</code>
              </dd>
            </div>
          )}
          {Object.entries(capabilities).map(([capability, value]) => (
            <div class="record-row" key={capability}>
              <dt>{wordsOf(capability)}</dt>
              <dd class="badges">
                {flagsOf(value).map(flag => (
                  <Badge key={flag}>{flag}</Badge>
                ))}
              </dd>
            </div>
          ))}
        </dl>
      </section>
    </div>
  );
}

/** `{ listChanged: true, subscribe: true }` → the names of what is there. */
function flagsOf(value: unknown): string[] {
  const flags = isObject(value) ? Object.entries(value).flatMap(([name, flag]) => (flag === false ? [] : [name])) : [];
  return flags.length === 0 ? ['yes'] : flags;
}
