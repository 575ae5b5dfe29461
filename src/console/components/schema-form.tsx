import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import { isObject } from '../../client/wire.ts';
import type { JsonSchema } from '../../protocol/json-schema.ts';
import { JsonEditor } from './json-editor.tsx';
import { initialValue, isNullable, itemsOf, kindOf, resolve, typeOf, variantsOf, withItem, withMember, wordsOf } from './schema.ts';
import { ChoicesInput, ValueInput } from './value-input.tsx';

/** A field of an object of a schema. */
export interface FieldProps {
  readonly name: string;
  readonly schema: JsonSchema;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
  readonly required: boolean;
}

/** Replaces the field of a member by one that knows more of it; `undefined` keeps the usual one. Asked for the members of the root. */
export type CustomField = (field: FieldProps) => ComponentChildren | undefined;

/** The members of an object, each with its field. */
export interface SchemaFormProps {
  /** The schema of an object. */
  readonly schema: JsonSchema;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
  readonly custom?: CustomField | undefined;
}

/** A form for an object, made from its JSON schema. The value is the whole state: it can be changed elsewhere too. */
export function SchemaForm({ schema, value, onChange, custom }: SchemaFormProps) {
  return <Members schema={resolve(schema, schema)} root={schema} value={value} onChange={onChange} custom={custom} />;
}

interface NodeProps extends Omit<SchemaFormProps, 'custom'> {
  readonly root: JsonSchema;
}

function Members({ schema, root, value, onChange, custom }: NodeProps & { custom?: CustomField | undefined }) {
  const members = isObject(value) ? value : {};
  return (
    <>
      {Object.entries(schema.properties ?? {}).map(([name, property]) => {
        const field: FieldProps = {
          name,
          schema: resolve(property, root),
          value: members[name],
          onChange: next => onChange(withMember(members, name, next)),
          required: schema.required?.includes(name) === true,
        };
        return <div key={name}>{custom?.(field) ?? <Field {...field} root={root} />}</div>;
      })}
    </>
  );
}

/** One member: its name, what it is for, and its input. */
function Field({ name, schema, root, value, onChange, required }: FieldProps & { root: JsonSchema }) {
  const id = useId();
  const kind = kindOf(schema);
  const title = schema.title ?? wordsOf(name);
  const node = { schema, root, value, onChange };
  const isPlain = !['object', 'members', 'list', 'choices', 'variants', 'any'].includes(kind);
  if (isPlain) {
    const isNull = value === null;
    return (
      <div class="field">
        <FieldHead id={id} title={title} name={name} required={required} description={schema.description} />
        <div class="field-row">
          {isNull ? (
            <input id={id} class="input" value="null" disabled />
          ) : (
            <ValueInput
              id={id}
              schema={schema}
              value={value}
              onChange={onChange}
              required={required}
              describedBy={schema.description && `${id}-about`}
            />
          )}
          {isNullable(schema) && (
            <label class="tick">
              <input type="checkbox" checked={isNull} onChange={event => onChange(event.currentTarget.checked ? null : undefined)} />
              null
            </label>
          )}
        </div>
        {kind === 'date-time' && typeof value === 'string' && <p class="field-about">Sent as {value}</p>}
      </div>
    );
  }
  return (
    <fieldset class="group">
      <legend>
        <FieldTitle title={title} name={name} required={required} />
      </legend>
      {schema.description !== undefined && <p class="field-about">{schema.description}</p>}
      {kind === 'object' ? <OptionalObject {...node} required={required} title={title} /> : <Node {...node} title={title} />}
    </fieldset>
  );
}

/** The value of a member that is no plain value. */
function Node({ schema, root, value, onChange, title }: NodeProps & { title: string }): ComponentChildren {
  const id = useId();
  const node = { schema, root, value, onChange };
  switch (kindOf(schema)) {
    case 'object':
      return <Members {...node} />;
    case 'members':
      return <FreeMembers {...node} title={title} />;
    case 'list':
      return <List {...node} title={title} />;
    case 'choices':
      return <ChoicesInput schema={schema} value={value} onChange={onChange} legend={title} />;
    case 'variants':
      return <Variants {...node} title={title} />;
    case 'any':
      return <JsonEditor label={`${title}, as JSON`} value={value} onChange={onChange} rows={2} optional />;
    default:
      return <ValueInput id={id} schema={schema} value={value} onChange={onChange} label={title} />;
  }
}

/** Objects may refer to themselves, so an optional one is there only when it is asked for. */
function OptionalObject({ schema, root, value, onChange, required, title }: NodeProps & { required: boolean; title: string }) {
  if (!required && value === undefined) {
    return (
      <button
        type="button"
        class="button button-small"
        onClick={() => onChange(initialValue({ ...schema, default: undefined }, root) ?? {})}
      >
        Add {title.toLowerCase()}
      </button>
    );
  }
  return (
    <>
      <Members schema={schema} root={root} value={value} onChange={onChange} />
      {!required && (
        <button type="button" class="button button-small button-quiet" onClick={() => onChange(undefined)}>
          Remove {title.toLowerCase()}
        </button>
      )}
    </>
  );
}

/** A list: its items can be added and removed. */
export function List({ schema, root, value, onChange, title }: NodeProps & { title: string }) {
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const item = resolve(itemsOf(schema), root);
  const min = typeof schema['minItems'] === 'number' ? schema['minItems'] : 0;
  const max = typeof schema['maxItems'] === 'number' ? schema['maxItems'] : Number.POSITIVE_INFINITY;
  return (
    <div class="list">
      {items.map((each, index) => (
        <div class="list-item" key={index}>
          <div class="list-value">
            <Node
              schema={item}
              root={root}
              value={each}
              title={`${title} ${index + 1}`}
              onChange={next => onChange(withItem(items, index, next ?? null))}
            />
          </div>
          <button
            type="button"
            class="button button-small button-quiet"
            aria-label={`Remove ${title} ${index + 1}`}
            disabled={items.length <= min}
            onClick={() => onChange(items.filter((_, at) => at !== index))}
          >
            Remove
          </button>
        </div>
      ))}
      <button
        type="button"
        class="button button-small"
        aria-label={`Add an item to ${title}`}
        disabled={items.length >= max}
        onClick={() => onChange([...items, initialValue(item, root) ?? emptyOf(item)])}
      >
        Add an item
      </button>
    </div>
  );
}

/** A first value of an item that has none yet. */
function emptyOf(schema: JsonSchema): unknown {
  return kindOf(schema) === 'text' ? '' : null;
}

/** An object whose members nobody has named: names and values, which are texts, numbers and so on as they read. */
function FreeMembers({ value, onChange, title }: NodeProps & { title: string }) {
  const [isText, setText] = useState(false);
  const members = Object.entries(isObject(value) ? value : {});
  if (isText || members.some(([, member]) => typeof member === 'object' && member !== null)) {
    return (
      <>
        <JsonEditor label={`${title}, as JSON`} value={value} onChange={onChange} rows={3} optional />
        {isText && (
          <button type="button" class="button button-small button-quiet" onClick={() => setText(false)}>
            Edit by hand
          </button>
        )}
      </>
    );
  }
  const rename = (from: string, to: string) =>
    onChange(Object.fromEntries(members.map(([name, member]) => [name === from ? to : name, member])));
  return (
    <div class="list">
      {members.map(([name, member], index) => (
        <div class="list-item" key={index}>
          <input
            class="input"
            aria-label={`Name ${index + 1} of ${title}`}
            value={name}
            onChange={event => rename(name, event.currentTarget.value)}
          />
          <input
            class="input"
            aria-label={`Value of ${name}`}
            value={typeof member === 'string' ? member : JSON.stringify(member)}
            onInput={event => onChange(withMember(value, name, readPlain(event.currentTarget.value)))}
          />
          <button
            type="button"
            class="button button-small button-quiet"
            aria-label={`Remove ${name}`}
            onClick={() => onChange(withMember(value, name, undefined))}
          >
            Remove
          </button>
        </div>
      ))}
      <div class="field-row">
        <button
          type="button"
          class="button button-small"
          aria-label={`Add a member to ${title}`}
          onClick={() => onChange(withMember(value, newName(members), ''))}
        >
          Add a member
        </button>
        <button type="button" class="button button-small button-quiet" aria-label={`Edit as JSON: ${title}`} onClick={() => setText(true)}>
          Edit as JSON
        </button>
      </div>
    </div>
  );
}

function newName(members: readonly (readonly [string, unknown])[]): string {
  const taken = new Set(members.map(([name]) => name));
  for (let number = 1; ; number += 1) if (!taken.has(`name${number}`)) return `name${number}`;
}

/** `12` → 12, `true` → true, `null` → null; everything else is a text. */
function readPlain(text: string): unknown {
  return /^(?:-?\d+(?:\.\d+)?|true|false|null)$/u.test(text) ? (JSON.parse(text) as unknown) : text;
}

/** A value of one of several forms: the form is chosen first. */
function Variants({ schema, root, value, onChange, title }: NodeProps & { title: string }) {
  const variants = variantsOf(schema).map(variant => resolve(variant, root));
  const [chosen, setChosen] = useState(() => Math.max(0, value === undefined ? 0 : variants.findIndex(variant => fits(variant, value))));
  const variant = variants[chosen] ?? {};
  const choose = (index: number) => {
    setChosen(index);
    onChange(value === undefined ? undefined : initialValue(variants[index] ?? {}, root));
  };
  return (
    <>
      <select
        class="input variant"
        aria-label={`Form of ${title}`}
        value={String(chosen)}
        onChange={event => choose(Number(event.currentTarget.value))}
      >
        {variants.map((each, index) => (
          <option key={index} value={String(index)}>
            {each.title ?? nameOfType(each)}
          </option>
        ))}
      </select>
      <Node schema={variant} root={root} value={value} onChange={onChange} title={title} />
    </>
  );
}

function fits(schema: JsonSchema, value: unknown): boolean {
  const type = typeOf(schema);
  if (type === 'integer' || type === 'number') return typeof value === 'number';
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isObject(value);
  return type === typeof value;
}

function nameOfType(schema: JsonSchema): string {
  const names: Record<string, string> = {
    string: 'Text',
    integer: 'Whole number',
    number: 'Number',
    boolean: 'Yes or no',
    array: 'List',
    object: 'Object',
  };
  return names[typeOf(schema) ?? ''] ?? 'Any value';
}

/** The label of an input, and the text that describes it. */
export function FieldHead(props: { id: string; title: string; name: string; required: boolean; description?: string | undefined }) {
  const { id, description } = props;
  return (
    <>
      <label class="field-label" for={id}>
        <FieldTitle {...props} />
      </label>
      {description !== undefined && (
        <p class="field-about" id={`${id}-about`}>
          {description}
        </p>
      )}
    </>
  );
}

function FieldTitle({ title, name, required }: { title: string; name: string; required: boolean }) {
  return (
    <>
      <span class="field-title">{title}</span>
      {title.toLowerCase() !== name.toLowerCase() && <code class="field-name">{name}</code>}
      {required && <span class="field-required">required</span>}
    </>
  );
}
