import { useState } from 'preact/hooks';
import type { JsonObject } from '../../protocol/definitions.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';
import type { Tool } from '../client/wire.ts';
import { isObject, isStateless } from '../client/wire.ts';
import type { Column } from '../components/columns.ts';
import { isNumeric, isOrdered } from '../components/columns.ts';
import { JsonEditor } from '../components/json-editor.tsx';
import { Badge, Dialog, Empty, Tabs } from '../components/parts.tsx';
import { ResultView } from '../components/result-view.tsx';
import { DataField, NamesField, OrderField, SelectField, WhereField } from '../components/row-fields.tsx';
import { initialValue, kindOf, wordsOf } from '../components/schema.ts';
import type { CustomField } from '../components/schema-form.tsx';
import { SchemaForm } from '../components/schema-form.tsx';
import { useKept } from '../kept.ts';
import { columnsFor } from '../model-columns.ts';
import { linkTo } from '../route.ts';
import { useConsole } from '../state.ts';
import { inTime, RunState, useRun } from './running.tsx';
import { Split } from './split.tsx';

/** The tools, and one of them to call. */
export function ToolsView({ name }: { name: string | undefined }) {
  const { tools } = useConsole();
  const items = tools.items ?? [];
  const tool = items.find(each => each.name === name);
  return (
    <Split
      view="tools"
      title="Tools"
      selected={name}
      listed={[tools]}
      entries={items.map(each => ({ id: each.name, title: titleOf(each), name: each.name, description: each.description }))}
      empty={
        <>
          The app has no tools for you. It declares them with the options <code>models</code> and <code>tools</code>; you may have to sign
          in.
        </>
      }
    >
      {tool && <ToolView key={tool.name} tool={tool} tools={items} />}
    </Split>
  );
}

function titleOf({ name, title, annotations }: Tool): string {
  return title ?? annotations?.title ?? name;
}

function ToolView({ tool, tools }: { tool: Tool; tools: readonly Tool[] }) {
  const { revision } = useConsole();
  const { name, description, inputSchema, execution } = tool;
  const columns = columnsFor(tool, tools);
  const [kept, change] = useKept(`arguments of ${name}`, () => ({ args: startOf(inputSchema, columns) }));
  const { args } = kept;
  const setArgs = (next: unknown) => change(() => ({ args: next }));
  const [way, setWay] = useState<'form' | 'json'>('form');
  const [isValid, setValid] = useState(true);
  const [isAsking, setAsking] = useState(false);
  const [asTask, setAsTask] = useState(execution?.taskSupport === 'required');
  const run = useRun(`tools/${name}`);
  const call = (given: unknown = args) => {
    setAsking(false);
    void run.start('tools/call', { name, arguments: isObject(given) ? given : {} }, { asTask, inputSchema });
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (isDestructive(tool)) setAsking(true);
    else call();
  };
  const hasMembers = Object.keys(inputSchema.properties ?? {}).length > 0;
  return (
    <article class="stack">
      <div class="head">
        <h1 class="detail-title">{titleOf(tool)}</h1>
        <p class="head-line">
          {titleOf(tool) !== name && <code>{name}</code>}
          <ToolBadges tool={tool} />
        </p>
        {description !== undefined && <p class="lead text">{description}</p>}
      </div>
      <form class="stack panel" onSubmit={submit}>
        <div class="panel-head">
          <h2>Arguments</h2>
          <Tabs
            label="How to enter the arguments"
            selected={way}
            onSelect={setWay}
            tabs={[
              ['form', 'Form'],
              ['json', 'JSON'],
            ]}
          />
        </div>
        {way === 'json' ? (
          <JsonEditor label="Arguments as JSON" hasLabel={false} value={args} onChange={setArgs} onValid={setValid} rows={8} />
        ) : hasMembers ? (
          <div class="stack-fields">
            <SchemaForm schema={inputSchema} value={args} onChange={setArgs} custom={columns && rowFields(columns)} />
          </div>
        ) : (
          <p class="faint">This tool takes no arguments.</p>
        )}
        {execution?.taskSupport !== undefined && execution.taskSupport !== 'forbidden' && !isStateless(revision) && (
          <label class="tick">
            <input
              type="checkbox"
              checked={asTask}
              disabled={execution.taskSupport === 'required'}
              onChange={event => setAsTask(event.currentTarget.checked)}
            />
            Run as a task, whose result is kept
          </label>
        )}
        <div class="actions">
          <button type="submit" class="button button-main" disabled={run.status === 'running' || (way === 'json' && !isValid)}>
            Call the tool
          </button>
          <button type="button" class="button" onClick={() => setArgs(startOf(inputSchema, columns))}>
            Reset
          </button>
        </div>
      </form>
      <section class="stack" aria-label="Result">
        <RunState run={run} />
        {run.status === 'done' && run.result !== undefined ? (
          <>
            <div class="panel-head">
              <h2>Result</h2>
              <p class="faint" role="status">
                Answered in {inTime(run.ms)}
              </p>
            </div>
            <ResultView
              result={run.result}
              onOpen={uri => location.assign(linkTo('resources', uri))}
              onNext={
                'cursor' in (inputSchema.properties ?? {})
                  ? cursor => {
                      const next = { ...(isObject(args) && args), cursor };
                      setArgs(next);
                      call(next);
                    }
                  : undefined
              }
            />
          </>
        ) : (
          run.status === 'idle' && <Empty title="No result yet">Fill in the arguments and call the tool. Its result appears here.</Empty>
        )}
      </section>
      {isAsking && (
        <Dialog title={`Call ${titleOf(tool)}?`} onClose={() => setAsking(false)}>
          <p>The server says that this tool can destroy data. It is called with these arguments:</p>
          <pre class="code-wraps dialog-code">{JSON.stringify(args, undefined, 2)}</pre>
          <div class="actions">
            <button type="button" class="button button-danger" onClick={() => call()}>
              Call it
            </button>
            <button type="button" class="button" onClick={() => setAsking(false)}>
              Go back
            </button>
          </div>
        </Dialog>
      )}
    </article>
  );
}

/** Whether a tool may destroy something: it says so, or says only that it writes. */
function isDestructive({ annotations = {} }: Tool): boolean {
  const { readOnlyHint, destructiveHint = readOnlyHint === false } = annotations;
  return readOnlyHint !== true && destructiveHint;
}

function ToolBadges({ tool }: { tool: Tool }) {
  const { readOnlyHint, idempotentHint, openWorldHint } = tool.annotations ?? {};
  return (
    <>
      {readOnlyHint === true && <Badge tone="good">read-only</Badge>}
      {readOnlyHint === false && !isDestructive(tool) && <Badge>writes</Badge>}
      {isDestructive(tool) && <Badge tone="bad">destructive</Badge>}
      {idempotentHint === true && readOnlyHint !== true && <Badge>idempotent</Badge>}
      {openWorldHint === true && <Badge>open world</Badge>}
      {tool.execution?.taskSupport !== undefined && <Badge>task {tool.execution.taskSupport}</Badge>}
    </>
  );
}

/** The fields for the arguments that Prisma names. */
function rowFields(columns: readonly Column[]): CustomField {
  return ({ name, schema, value, onChange, required }) => {
    const kind = kindOf(schema);
    const title = wordsOf(name);
    const field = { title, columns, value, onChange };
    const input =
      name === 'where' ? (
        <WhereField {...field} required={required} />
      ) : name === 'select' ? (
        <SelectField {...field} />
      ) : name === '_sum' || name === '_avg' ? (
        <SelectField {...field} columns={columns.filter(isNumeric)} />
      ) : name === '_min' || name === '_max' ? (
        <SelectField {...field} columns={columns.filter(isOrdered)} />
      ) : name === 'orderBy' ? (
        <OrderField {...field} columns={columns.filter(isOrdered)} />
      ) : name === 'by' && kind === 'list' ? (
        <NamesField {...field} columns={groupings(columns)} required={required} />
      ) : name === 'distinct' && kind === 'list' ? (
        <NamesField {...field} />
      ) : ['data', 'create', 'update'].includes(name) && kind !== 'list' ? (
        <DataField {...field} />
      ) : undefined;
    if (input === undefined) return undefined;
    const { description } = schema;
    // The list of columns is what the field itself shows.
    const isTold = description?.includes('Columns: ') === true;
    return (
      <fieldset class="group">
        <legend>
          <span class="field-title">{title}</span>
          {title.toLowerCase() !== name.toLowerCase() && <code class="field-name">{name}</code>}
          {required && <span class="field-required">required</span>}
        </legend>
        {description !== undefined && !isTold && <p class="field-about">{description}</p>}
        {input}
      </fieldset>
    );
  };
}

/** What rows are put together by: columns, and dates also by day, week, month and year. */
function groupings(columns: readonly Column[]): Column[] {
  return columns.filter(isOrdered).flatMap(column => {
    const buckets = kindOf(column.schema) === 'date-time' || kindOf(column.schema) === 'date' ? ['day', 'week', 'month', 'year'] : [];
    return [column, ...buckets.map(bucket => ({ ...column, name: `${column.name}:${bucket}` }))];
  });
}

/** The arguments that the form begins with: those that are required, and the columns that a new row needs. */
function startOf(schema: JsonSchema, columns: readonly Column[] | undefined): unknown {
  const args = initialValue(schema);
  if (columns === undefined || !isObject(args)) return args ?? {};
  for (const name of ['data', 'create']) {
    const property = schema.properties?.[name];
    if (property === undefined || !isObject(args[name])) continue;
    const told = /\b(?:Required|Also required): ([^.]+)\./u.exec(property.description ?? '')?.[1]?.split(', ') ?? [];
    const needed = columns.filter(column => property.required?.includes(column.name) === true || told.includes(column.name));
    args[name] = Object.fromEntries(
      needed.map((column): [string, unknown] => [
        column.name,
        column.schema.enum?.[0] ?? (column.schema.type === 'string' && column.schema.format === undefined ? '' : null),
      ]),
    );
  }
  return args satisfies JsonObject;
}
