import { useEffect, useState } from 'preact/hooks';
import type { ResourceTemplate } from '../client/wire.ts';
import { isObject, objectsIn } from '../client/wire.ts';
import { ContentsView } from '../components/content-view.tsx';
import { Badge, Notice } from '../components/parts.tsx';
import { jsonIn, rowsIn } from '../components/results.ts';
import { RowsTable } from '../components/rows-table.tsx';
import { linkTo } from '../route.ts';
import { messageOf, state, useConsole } from '../state.ts';
import { expand, variablesOf } from '../uri-template.ts';
import { CompletedInput } from './completed-input.tsx';
import { inTime, RunState, useRun } from './running.tsx';
import { Split } from './split.tsx';

/** Resources and templates, and one of them to read. */
export function ResourcesView({ uri }: { uri: string | undefined }) {
  const { resources, templates } = useConsole();
  const template = templates.items?.find(({ uriTemplate }) => uriTemplate === uri);
  const resource = resources.items?.find(each => each.uri === uri);
  // A link may lead to a resource that is in no list.
  const isUri = uri !== undefined && !uri.includes('{');
  return (
    <Split
      view="resources"
      title="Resources"
      selected={uri}
      listed={[resources, templates]}
      entries={[
        ...(resources.items ?? []).map(each => ({
          id: each.uri,
          title: each.title ?? each.name,
          name: each.uri,
          description: each.description,
          group: 'Fixed',
        })),
        ...(templates.items ?? []).map(each => ({
          id: each.uriTemplate,
          title: each.title ?? each.name,
          name: each.uriTemplate,
          description: each.description,
          group: 'Templates',
        })),
      ]}
      empty={
        <>
          The app has no resources for you. It declares them with the options <code>models</code> and <code>resources</code>.
        </>
      }
    >
      {template !== undefined ? (
        <TemplateView key={uri} template={template} />
      ) : isUri ? (
        <ResourceView
          key={uri}
          uri={uri}
          title={resource?.title ?? resource?.name}
          description={resource?.description}
          mimeType={resource?.mimeType}
        />
      ) : undefined}
    </Split>
  );
}

interface ResourceViewProps {
  readonly uri: string;
  readonly title?: string | undefined;
  readonly description?: string | undefined;
  readonly mimeType?: string | undefined;
}

function ResourceView({ uri, title, description, mimeType }: ResourceViewProps) {
  const { connection, subscribed, events } = useConsole();
  const run = useRun(`resources/${uri}`);
  const [problem, setProblem] = useState<string>();
  const isSubscribed = subscribed.includes(uri);
  const changed = events.find(({ method, params }) => method === 'notifications/resources/updated' && params['uri'] === uri);
  const capability = connection?.server.capabilities['resources'];
  const read = () => void run.start('resources/read', { uri });
  // Reads at once, and again after each change.
  useEffect(read, [uri, changed?.number]);
  const toggle = () => {
    setProblem(undefined);
    (isSubscribed ? state.unsubscribe(uri) : state.subscribe(uri)).catch((error: unknown) => setProblem(messageOf(error)));
  };
  const contents = objectsIn(run.result?.['contents']);
  return (
    <article class="stack">
      <div class="head">
        <h1 class="detail-title">{title ?? uri}</h1>
        <p class="head-line">
          <code class="uri">{uri}</code>
          {mimeType !== undefined && <Badge>{mimeType}</Badge>}
          {isSubscribed && <Badge tone="good">subscribed</Badge>}
        </p>
        {description !== undefined && <p class="lead text">{description}</p>}
      </div>
      <div class="actions">
        <button type="button" class="button button-main" disabled={run.status === 'running'} onClick={read}>
          Read again
        </button>
        {isObject(capability) && capability['subscribe'] === true && (
          <button type="button" class="button" aria-pressed={isSubscribed} onClick={toggle}>
            {isSubscribed ? 'Unsubscribe' : 'Subscribe to changes'}
          </button>
        )}
      </div>
      {problem !== undefined && (
        <Notice tone="bad">
          <p>{problem}</p>
        </Notice>
      )}
      {changed !== undefined && (
        <p class="field-about" role="status">
          Changed at {changed.at.toLocaleTimeString()}, and read again.
        </p>
      )}
      <RunState run={run} />
      {run.status === 'done' && (
        <section class="stack" aria-label="Contents">
          <p class="faint">Read in {inTime(run.ms)}</p>
          {contents.length === 0 && <p class="faint">The resource has no contents.</p>}
          {contents.map((each, index) => {
            const found = rowsIn(jsonIn(each['text']));
            return (
              <div key={index} class="stack">
                {found !== undefined && found.rows.length > 0 && <RowsTable rows={found.rows} label={`Rows of ${uri}`} />}
                <ContentsView contents={each} />
              </div>
            );
          })}
        </section>
      )}
    </article>
  );
}

function TemplateView({ template }: { template: ResourceTemplate }) {
  const { uriTemplate, title, name, description, mimeType } = template;
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const variables = variablesOf(uriTemplate);
  const uri = expand(uriTemplate, values);
  const submit = (event: Event) => {
    event.preventDefault();
    location.assign(linkTo('resources', uri));
  };
  return (
    <article class="stack">
      <div class="head">
        <h1 class="detail-title">{title ?? name}</h1>
        <p class="head-line">
          <code class="uri">{uriTemplate}</code>
          {mimeType !== undefined && <Badge>{mimeType}</Badge>}
        </p>
        {description !== undefined && <p class="lead text">{description}</p>}
      </div>
      <form class="stack panel" onSubmit={submit}>
        <h2>Variables</h2>
        <div class="stack-fields">
          {variables.map(variable => (
            <CompletedInput
              key={variable}
              name={variable}
              required={!new RegExp(`\\{[?&][^}]*\\b${variable}\\b`, 'u').test(uriTemplate)}
              value={values[variable] ?? ''}
              onChange={value => setValues({ ...values, [variable]: value })}
              reference={{ type: 'ref/resource', uri: uriTemplate }}
              others={Object.fromEntries(Object.entries(values).filter(([each, value]) => each !== variable && value !== ''))}
            />
          ))}
        </div>
        <p class="field-about">
          Reads <code class="uri">{uri}</code>
        </p>
        <div class="actions">
          <button type="submit" class="button button-main">
            Read the resource
          </button>
        </div>
      </form>
    </article>
  );
}
