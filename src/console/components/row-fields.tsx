import { useId, useRef, useState } from 'preact/hooks';
import { isObject } from '../../client/wire.ts';
import type { Column } from './columns.ts';
import { operatorsOf } from './columns.ts';
import type { Condition, Filter } from './filter.ts';
import { readFilter, writeFilter } from './filter.ts';
import { JsonEditor } from './json-editor.tsx';
import { isSame, withItem, withMember } from './schema.ts';
import { List } from './schema-form.tsx';
import { ValueInput } from './value-input.tsx';

/** A field whose value is about the columns of rows. */
export interface RowFieldProps {
  readonly title: string;
  readonly columns: readonly Column[];
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
}

/** A `where` by hand: conditions of a column, an operator and a value. What conditions cannot show is edited as JSON. */
export function WhereField({ title, columns, value, onChange, required = false }: RowFieldProps & { required?: boolean }) {
  const written = useRef(value);
  const [filter, setFilter] = useState<Filter | undefined>(() => readFilter(value, columns));
  const [isText, setText] = useState(false);
  if (!isSame(written.current, value)) {
    written.current = value;
    setFilter(readFilter(value, columns));
  }
  const change = (next: Filter) => {
    setFilter(next);
    const where = writeFilter(next) ?? (required ? {} : undefined);
    written.current = where;
    onChange(where);
  };
  if (isText || filter === undefined) {
    return (
      <div class="list">
        {filter === undefined && <p class="field-about">This filter says more than conditions can show, so it is edited as JSON.</p>}
        <JsonEditor label={`${title}, as JSON`} value={value} onChange={onChange} optional />
        {filter !== undefined && (
          <button type="button" class="button button-small button-quiet" onClick={() => setText(false)}>
            Edit by hand
          </button>
        )}
      </div>
    );
  }
  const { join, conditions } = filter;
  const add = () => {
    const [first] = columns;
    if (first !== undefined) change({ join, conditions: [...conditions, newCondition(first)] });
  };
  return (
    <div class="list">
      {conditions.length === 0 && <p class="field-about">No condition: all rows that you may see.</p>}
      {conditions.length > 1 && (
        <label class="join">
          Rows for which
          <select class="input" value={join} onChange={event => change({ join: event.currentTarget.value as Filter['join'], conditions })}>
            <option value="AND">all conditions hold</option>
            <option value="OR">any condition holds</option>
          </select>
        </label>
      )}
      {conditions.map((condition, index) => (
        <ConditionRow
          key={index}
          number={index + 1}
          condition={condition}
          columns={columns}
          onChange={next => change({ join, conditions: withItem(conditions, index, next) as Condition[] })}
          onRemove={() => change({ join, conditions: conditions.filter((_, at) => at !== index) })}
        />
      ))}
      <div class="field-row">
        <button type="button" class="button button-small" onClick={add}>
          Add a condition
        </button>
        <button type="button" class="button button-small button-quiet" onClick={() => setText(true)}>
          Edit as JSON
        </button>
      </div>
    </div>
  );
}

function newCondition(column: Column): Condition {
  return { column: column.name, operator: operatorsOf(column)[0]?.name ?? 'equals', value: undefined };
}

interface ConditionRowProps {
  readonly number: number;
  readonly condition: Condition;
  readonly columns: readonly Column[];
  readonly onChange: (condition: Condition) => void;
  readonly onRemove: () => void;
}

function ConditionRow({ number, condition, columns, onChange, onRemove }: ConditionRowProps) {
  const id = useId();
  const column = columns.find(({ name }) => name === condition.column) ?? columns[0];
  if (column === undefined) return null;
  const operators = operatorsOf(column);
  const operator = operators.find(({ name }) => name === condition.operator) ?? operators[0];
  const setOperator = (name: string) => {
    const next = operators.find(each => each.name === name);
    const isSameForm = next?.takes === operator?.takes;
    onChange({ ...condition, operator: name, value: isSameForm ? condition.value : next?.takes === 'many' ? [] : undefined });
  };
  const label = `Value of condition ${number}`;
  return (
    <fieldset class="condition">
      <legend class="hidden">Condition {number}</legend>
      <select
        class="input"
        aria-label={`Column of condition ${number}`}
        value={column.name}
        onChange={event => onChange(newCondition(columns.find(({ name }) => name === event.currentTarget.value) ?? column))}
      >
        {columns.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
      <select
        class="input"
        aria-label={`Operator of condition ${number}`}
        value={operator?.name}
        onChange={event => setOperator(event.currentTarget.value)}
      >
        {operators.map(each => (
          <option key={each.name} value={each.name}>
            {each.label}
          </option>
        ))}
      </select>
      {operator?.takes !== 'none' && (
        <div class="condition-value">
          {operator?.takes === 'one' && (
            <ValueInput
              id={id}
              schema={column.schema}
              label={label}
              required
              value={condition.value}
              onChange={value => onChange({ ...condition, value })}
            />
          )}
          {operator?.takes === 'many' && (
            <List
              schema={{ type: 'array', items: column.schema }}
              root={{}}
              title={label}
              value={condition.value}
              onChange={value => onChange({ ...condition, value })}
            />
          )}
        </div>
      )}
      <button type="button" class="button button-quiet cross" aria-label={`Remove condition ${number}`} title="Remove" onClick={onRemove}>
        ×
      </button>
    </fieldset>
  );
}

/** A `select`: the columns to return, as boxes to tick. None ticked means the usual ones. */
export function SelectField({ title, columns, value, onChange }: RowFieldProps) {
  const chosen = isObject(value) ? value : {};
  const names = [...new Set([...columns.map(({ name }) => name), ...Object.keys(chosen)])];
  const toggle = (name: string, isOn: boolean) => {
    const next = withMember(chosen, name, isOn ? true : undefined);
    onChange(Object.keys(next).length === 0 ? undefined : next);
  };
  return (
    <>
      {value === undefined && <p class="field-about">{title === 'Select' ? 'None ticked: the usual columns.' : 'None ticked.'}</p>}
      <Ticks legend={title} names={names} isOn={name => name in chosen} onToggle={toggle} />
    </>
  );
}

/** A list of names of columns, as boxes to tick. */
export function NamesField({ title, columns, value, onChange, required = false }: RowFieldProps & { required?: boolean }) {
  const chosen = Array.isArray(value) ? value.filter(each => typeof each === 'string') : [];
  const names = [...new Set([...columns.map(({ name }) => name), ...chosen])];
  const toggle = (name: string, isOn: boolean) => {
    const next = isOn ? [...chosen, name] : chosen.filter(each => each !== name);
    onChange(next.length === 0 && !required ? undefined : next);
  };
  return <Ticks legend={title} names={names} isOn={name => chosen.includes(name)} onToggle={toggle} />;
}

function Ticks(props: {
  legend: string;
  names: readonly string[];
  isOn: (name: string) => boolean;
  onToggle: (name: string, isOn: boolean) => void;
}) {
  const { legend, names, isOn, onToggle } = props;
  return (
    <fieldset class="ticks">
      <legend class="hidden">{legend}</legend>
      {names.map(name => (
        <label key={name} class="tick">
          <input type="checkbox" checked={isOn(name)} onChange={event => onToggle(name, event.currentTarget.checked)} />
          {name}
        </label>
      ))}
    </fieldset>
  );
}

/** An `orderBy`: columns with their directions, the first one first. */
export function OrderField({ title, columns, value, onChange }: RowFieldProps) {
  const parts = readOrder(value);
  if (parts === undefined) return <JsonEditor label={`${title}, as JSON`} value={value} onChange={onChange} rows={2} optional />;
  const change = (next: readonly (readonly [string, string])[]) => {
    const orders = next.map(([name, direction]) => ({ [name]: direction }));
    onChange(orders.length === 0 ? undefined : orders.length === 1 ? orders[0] : orders);
  };
  const free = columns.find(({ name }) => !parts.some(([each]) => each === name));
  return (
    <div class="list">
      {parts.map(([name, direction], index) => (
        <div class="list-item" key={name}>
          <select
            class="input"
            aria-label={`Column ${index + 1} of ${title}`}
            value={name}
            onChange={event => change(withItem(parts, index, [event.currentTarget.value, direction]) as [string, string][])}
          >
            {columns.map(column => (
              <option key={column.name}>{column.name}</option>
            ))}
          </select>
          <select
            class="input"
            aria-label={`Direction of ${name}`}
            value={direction}
            onChange={event => change(withItem(parts, index, [name, event.currentTarget.value]) as [string, string][])}
          >
            <option value="asc">smallest first</option>
            <option value="desc">largest first</option>
          </select>
          <button
            type="button"
            class="button button-small button-quiet"
            aria-label={`Remove the order by ${name}`}
            onClick={() => change(parts.filter((_, at) => at !== index))}
          >
            Remove
          </button>
        </div>
      ))}
      <button
        type="button"
        class="button button-small"
        disabled={free === undefined}
        onClick={() => free !== undefined && change([...parts, [free.name, 'asc']])}
      >
        Add an order
      </button>
    </div>
  );
}

/** `{ startsAt: 'asc' }` or a list of such → pairs; `undefined` for another form. */
function readOrder(value: unknown): (readonly [string, string])[] | undefined {
  const orders: readonly unknown[] = Array.isArray(value) ? value : value === undefined ? [] : [value];
  const pairs: [string, string][] = [];
  for (const order of orders) {
    for (const [name, direction] of Object.entries(isObject(order) ? order : { '': order })) {
      if (direction !== 'asc' && direction !== 'desc') return undefined;
      pairs.push([name, direction]);
    }
  }
  return pairs;
}

/** The values of a row to write: a field for each column that is chosen. */
export function DataField({ title, columns, value, onChange }: RowFieldProps) {
  const id = useId();
  const data = isObject(value) ? value : {};
  const byName = new Map(columns.map(column => [column.name, column]));
  const isShown = Object.entries(data).every(([name, member]) => {
    const column = byName.get(name);
    return column !== undefined && column.isList !== true && (!isObject(member) || Object.keys(column.schema).length === 0);
  });
  if ((value !== undefined && !isObject(value)) || !isShown) {
    return <JsonEditor label={`${title}, as JSON`} value={value} onChange={onChange} optional />;
  }
  const free = columns.filter(({ name, isList = false }) => !(name in data) && !isList);
  return (
    <div class="list">
      {Object.entries(data).map(([name, member]) => {
        const column = byName.get(name);
        if (column === undefined) return null;
        return (
          <div class="field" key={name}>
            <label class="field-label" for={`${id}-${name}`}>
              <span class="field-title">{name}</span>
            </label>
            {column.schema.description !== undefined && <p class="field-about">{column.schema.description}</p>}
            <div class="field-row">
              {member === null && column.isNullable === true && column.schema.type !== undefined ? (
                <input id={`${id}-${name}`} class="input" value="null" disabled />
              ) : column.schema.type === undefined ? (
                <JsonEditor
                  label={name}
                  hasLabel={false}
                  value={member}
                  rows={2}
                  onChange={next => onChange(withMember(data, name, next))}
                />
              ) : (
                <ValueInput
                  id={`${id}-${name}`}
                  schema={column.schema}
                  required
                  value={member === null ? undefined : member}
                  onChange={next =>
                    onChange({ ...data, [name]: next ?? (column.schema.type === 'string' && column.schema.enum === undefined ? '' : null) })
                  }
                />
              )}
              {column.isNullable === true && (
                <label class="tick">
                  <input
                    type="checkbox"
                    checked={member === null}
                    onChange={event => onChange({ ...data, [name]: event.currentTarget.checked ? null : '' })}
                  />
                  null
                </label>
              )}
              <button
                type="button"
                class="button button-small button-quiet"
                aria-label={`Remove ${name}`}
                onClick={() => onChange(withMember(data, name, undefined))}
              >
                Remove
              </button>
            </div>
          </div>
        );
      })}
      <label class="join">
        <span>Set a column</span>
        <select
          class="input"
          value=""
          disabled={free.length === 0}
          onChange={event => {
            const column = byName.get(event.currentTarget.value);
            if (column !== undefined) onChange({ ...data, [column.name]: startOf(column) });
          }}
        >
          <option value="">Choose …</option>
          {free.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
    </div>
  );
}

/** The value with which a column begins when it is chosen. */
function startOf({ schema }: Column): unknown {
  if (schema.enum !== undefined) return schema.enum[0];
  return schema.type === 'string' && schema.format === undefined ? '' : null;
}
