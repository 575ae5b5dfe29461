import { useId, useState } from 'preact/hooks';
import type { JsonObject } from '../../protocol/definitions.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';
import { Declined, isObject, objectsIn, textIn } from '../client/wire.ts';
import { ContentView } from '../components/content-view.tsx';
import { Dialog } from '../components/parts.tsx';
import { initialValue } from '../components/schema.ts';
import { SchemaForm } from '../components/schema-form.tsx';
import type { OpenQuestion } from '../state.ts';
import { useConsole } from '../state.ts';

/** The first question of the server that waits for the user, as a dialog. */
export function Questions() {
  const [open] = useConsole().questions;
  if (open === undefined) return null;
  const { question } = open;
  if (question.method === 'sampling/createMessage') return <Sampling key={open.number} open={open} />;
  return question.params['mode'] === 'url' ? <Page key={open.number} open={open} /> : <Form key={open.number} open={open} />;
}

/** A form from the schema of the question. */
function Form({ open: { question, settle } }: { open: OpenQuestion }) {
  const schema = (isObject(question.params['requestedSchema']) ? question.params['requestedSchema'] : { type: 'object' }) as JsonSchema;
  const [content, setContent] = useState<unknown>(() => initialValue(schema) ?? {});
  const submit = (event: Event) => {
    event.preventDefault();
    settle({ action: 'accept', content });
  };
  return (
    <Dialog title="The server asks you" onClose={() => settle({ action: 'cancel' })}>
      <form class="stack" onSubmit={submit}>
        <p class="text">{textIn(question.params['message'])}</p>
        <div class="stack-fields">
          <SchemaForm schema={schema} value={content} onChange={setContent} />
        </div>
        <p class="field-about">Do not enter passwords or other secrets here.</p>
        <Answers settle={settle} accept="Accept" />
      </form>
    </Dialog>
  );
}

/** A page that the server asks to open. */
function Page({ open: { question, settle } }: { open: OpenQuestion }) {
  const address = textIn(question.params['url']) ?? '';
  const isSafe = /^https?:\/\//iu.test(address);
  const submit = (event: Event) => {
    event.preventDefault();
    settle({ action: 'accept' });
  };
  return (
    <Dialog title="The server asks you to open a page" onClose={() => settle({ action: 'cancel' })}>
      <form class="stack" onSubmit={submit}>
        <p class="text">{textIn(question.params['message'])}</p>
        <p>
          {isSafe ? (
            <a class="uri" href={address} target="_blank" rel="noopener noreferrer">
              {address}
            </a>
          ) : (
            <code class="uri">{address}</code>
          )}
        </p>
        <p class="field-about">Open it only if you trust its address. Then accept, so that the server goes on.</p>
        <Answers settle={settle} accept="Accept" />
      </form>
    </Dialog>
  );
}

function Answers({ settle, accept }: { settle: (answer: JsonObject) => void; accept: string }) {
  return (
    <div class="actions">
      <button type="submit" class="button button-main">
        {accept}
      </button>
      <button type="button" class="button" onClick={() => settle({ action: 'decline' })}>
        Decline
      </button>
      <button type="button" class="button button-quiet" onClick={() => settle({ action: 'cancel' })}>
        Cancel
      </button>
    </div>
  );
}

/** The server wants a language model to answer. The console has none, so the user may answer in its place. */
function Sampling({ open: { question, settle } }: { open: OpenQuestion }) {
  const id = useId();
  const [text, setText] = useState('');
  const { messages, systemPrompt } = question.params;
  const decline = () => settle(new Declined('The user of the console declined to answer in place of a language model'));
  const submit = (event: Event) => {
    event.preventDefault();
    settle({ role: 'assistant', content: { type: 'text', text }, model: 'a person at the console', stopReason: 'endTurn' });
  };
  return (
    <Dialog title="The server asks a language model" onClose={decline}>
      <form class="stack" onSubmit={submit}>
        <p>The console has no language model. You can answer in its place.</p>
        {textIn(systemPrompt) !== undefined && <p class="panel text">{textIn(systemPrompt)}</p>}
        {objectsIn(messages).map(({ role, content }, index) => (
          <div class="message" key={index}>
            <p class="message-role">{textIn(role) === 'assistant' ? 'Assistant' : 'User'}</p>
            <ContentView blocks={isObject(content) ? [content] : objectsIn(content)} />
          </div>
        ))}
        <div class="field">
          <label class="field-label" for={id}>
            Your answer
          </label>
          <textarea id={id} class="input" rows={4} required value={text} onInput={event => setText(event.currentTarget.value)} />
        </div>
        <div class="actions">
          <button type="submit" class="button button-main">
            Answer
          </button>
          <button type="button" class="button" onClick={decline}>
            Decline
          </button>
        </div>
      </form>
    </Dialog>
  );
}
