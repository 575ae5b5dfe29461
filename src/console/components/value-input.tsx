import type { JsonSchema } from '../../protocol/json-schema.ts';
import { choicesOf, isSame, itemsOf, kindOf } from './schema.ts';

/** An input for one plain value. */
export interface ValueInputProps {
  /** The id of the input, for its label. */
  readonly id: string;
  readonly schema: JsonSchema;
  /** `undefined`: nothing is entered. */
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
  readonly required?: boolean | undefined;
  /** The name of the input, where it has no label of its own. */
  readonly label?: string | undefined;
  /** The id of the text that describes it. */
  readonly describedBy?: string | undefined;
}

/** Enters a text, number, date, choice or yes and no, by the schema of the value. */
export function ValueInput(props: ValueInputProps) {
  const { id, schema, value, onChange, required = false, label, describedBy } = props;
  const common = { id, class: 'input', required, 'aria-label': label, 'aria-describedby': describedBy };
  const kind = kindOf(schema);
  const choices = kind === 'boolean' ? yesNo : choicesOf(schema);
  if (choices !== undefined) {
    const index = choices.findIndex(choice => isSame(choice.value, value));
    return (
      <select
        {...common}
        value={index === -1 ? '' : String(index)}
        onChange={event => onChange(choices[Number(event.currentTarget.value || -1)]?.value)}
      >
        <option value="">{required ? 'Choose …' : 'Not set'}</option>
        {choices.map((choice, at) => (
          <option key={choice.label} value={String(at)}>
            {choice.label}
          </option>
        ))}
      </select>
    );
  }
  switch (kind) {
    case 'integer':
    case 'number':
      return (
        <input
          {...common}
          type="number"
          inputMode={kind === 'integer' ? 'numeric' : 'decimal'}
          step={kind === 'integer' ? 1 : 'any'}
          min={numberIn(schema, 'minimum')}
          max={numberIn(schema, 'maximum')}
          value={typeof value === 'number' ? value : ''}
          onInput={({ currentTarget }) => onChange(currentTarget.value === '' ? undefined : currentTarget.valueAsNumber)}
        />
      );
    case 'date':
      return (
        <input
          {...common}
          type="date"
          value={typeof value === 'string' ? value : ''}
          onInput={event => onChange(event.currentTarget.value || undefined)}
        />
      );
    case 'date-time':
      return (
        <input
          {...common}
          type="datetime-local"
          step={1}
          value={toLocal(value)}
          onInput={event => onChange(fromLocal(event.currentTarget.value))}
        />
      );
    default:
      return (
        <input
          {...common}
          type={{ email: 'email', uri: 'url', time: 'time' }[schema.format ?? ''] ?? 'text'}
          minLength={numberIn(schema, 'minLength')}
          maxLength={numberIn(schema, 'maxLength')}
          pattern={typeof schema['pattern'] === 'string' && isPattern(schema['pattern']) ? `.*(?:${schema['pattern']}).*` : undefined}
          autocomplete="off"
          value={typeof value === 'string' ? value : value === undefined ? '' : JSON.stringify(value)}
          onInput={event => onChange(event.currentTarget.value === '' ? undefined : event.currentTarget.value)}
        />
      );
  }
}

const yesNo = [
  { value: true, label: 'Yes' },
  { value: false, label: 'No' },
];

/** Chooses any number of values, as boxes to tick. */
export function ChoicesInput({
  schema,
  value,
  onChange,
  legend,
}: {
  schema: JsonSchema;
  value: unknown;
  onChange: (value: unknown) => void;
  legend: string;
}) {
  const chosen: readonly unknown[] = Array.isArray(value) ? value : [];
  const choices = choicesOf(itemsOf(schema)) ?? [];
  const toggle = (item: unknown, isOn: boolean) =>
    onChange(choices.map(choice => choice.value).filter(each => (isSame(each, item) ? isOn : chosen.some(one => isSame(one, each)))));
  return (
    <fieldset class="ticks">
      <legend class="hidden">{legend}</legend>
      {choices.map(choice => (
        <label key={choice.label} class="tick">
          <input
            type="checkbox"
            checked={chosen.some(one => isSame(one, choice.value))}
            onChange={event => toggle(choice.value, event.currentTarget.checked)}
          />
          {choice.label}
        </label>
      ))}
    </fieldset>
  );
}

function numberIn(schema: JsonSchema, keyword: string): number | undefined {
  const value = schema[keyword];
  return typeof value === 'number' ? value : undefined;
}

/** Whether a browser takes a pattern of a schema: it compiles patterns of inputs with the flag `v`. */
function isPattern(pattern: string): boolean {
  try {
    return new RegExp(pattern, 'v') instanceof RegExp;
  } catch {
    return false;
  }
}

/** `2026-01-31T09:00:00Z` → the same time as the browser's clock shows it: `2026-01-31T10:00:00` */
function toLocal(value: unknown): string {
  const date = typeof value === 'string' ? new Date(value) : undefined;
  if (date === undefined || Number.isNaN(date.getTime())) return '';
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function fromLocal(text: string): string | undefined {
  const date = new Date(text);
  return text === '' || Number.isNaN(date.getTime()) ? undefined : date.toISOString().replace('.000Z', 'Z');
}
