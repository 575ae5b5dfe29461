import type { Prompt } from '../client/wire.ts';
import { isObject, objectsIn, textIn } from '../client/wire.ts';
import { ContentView } from '../components/content-view.tsx';
import { Empty } from '../components/parts.tsx';
import { useKept } from '../kept.ts';
import { linkTo } from '../route.ts';
import { useConsole } from '../state.ts';
import { CompletedInput } from './completed-input.tsx';
import { inTime, RunState, useRun } from './running.tsx';
import { Split } from './split.tsx';

/** The prompts, and one of them to fill in. */
export function PromptsView({ name }: { name: string | undefined }) {
  const { prompts } = useConsole();
  const items = prompts.items ?? [];
  const prompt = items.find(each => each.name === name);
  return (
    <Split
      view="prompts"
      title="Prompts"
      selected={name}
      listed={[prompts]}
      entries={items.map(each => ({ id: each.name, title: each.title ?? each.name, name: each.name, description: each.description }))}
      empty={
        <>
          The app has no prompts for you. It declares them with the options <code>prompts</code> and <code>models</code>.
        </>
      }
    >
      {prompt && <PromptView key={prompt.name} prompt={prompt} />}
    </Split>
  );
}

function PromptView({ prompt }: { prompt: Prompt }) {
  const { name, title, description, arguments: declared = [] } = prompt;
  const [args, change] = useKept<Readonly<Record<string, string>>>(`prompt ${name}`, () => ({}));
  const run = useRun(`prompts/${name}`);
  const given = Object.fromEntries(Object.entries(args).filter(([, value]) => value !== ''));
  const submit = (event: Event) => {
    event.preventDefault();
    void run.start('prompts/get', { name, arguments: given });
  };
  return (
    <article class="stack">
      <div class="head">
        <h1 class="detail-title">{title ?? name}</h1>
        {title !== undefined && title !== name && (
          <p class="head-line">
            <code>{name}</code>
          </p>
        )}
        {description !== undefined && <p class="lead text">{description}</p>}
      </div>
      <form class="stack panel" onSubmit={submit}>
        <h2>Arguments</h2>
        {declared.length === 0 && <p class="faint">This prompt takes no arguments.</p>}
        <div class="stack-fields">
          {declared.map(argument => (
            <CompletedInput
              key={argument.name}
              name={argument.name}
              description={argument.description}
              required={argument.required === true}
              value={args[argument.name] ?? ''}
              onChange={value => change(before => ({ ...before, [argument.name]: value }))}
              reference={{ type: 'ref/prompt', name }}
              others={Object.fromEntries(Object.entries(given).filter(([each]) => each !== argument.name))}
            />
          ))}
        </div>
        <div class="actions">
          <button type="submit" class="button button-main" disabled={run.status === 'running'}>
            Get the prompt
          </button>
        </div>
      </form>
      <section class="stack" aria-label="Messages">
        <RunState run={run} />
        {run.status === 'done' ? (
          <>
            <div class="panel-head">
              <h2>Messages</h2>
              <p class="faint" role="status">
                Answered in {inTime(run.ms)}
              </p>
            </div>
            {objectsIn(run.result?.['messages']).map(({ role, content }, index) => (
              <div class="message" key={index}>
                <p class="message-role">{textIn(role) === 'assistant' ? 'Assistant' : 'User'}</p>
                <ContentView
                  blocks={isObject(content) ? [content] : objectsIn(content)}
                  onOpen={uri => location.assign(linkTo('resources', uri))}
                />
              </div>
            ))}
          </>
        ) : (
          run.status === 'idle' && <Empty title="No messages yet">Get the prompt to see what a language model is told.</Empty>
        )}
      </section>
    </article>
  );
}
