import { useEffect, useId, useState } from 'preact/hooks';
import type { JsonObject } from '../../protocol/definitions.ts';
import { isObject } from '../client/wire.ts';
import { state, useConsole } from '../state.ts';

/** Milliseconds after the last key before the server is asked. */
const restMs = 150;

/** What `CompletedInput` shows. */
export interface CompletedInputProps {
  readonly name: string;
  readonly description?: string | undefined;
  readonly required: boolean;
  readonly value: string;
  readonly onChange: (value: string) => void;
  /** The prompt or the template that the argument belongs to. */
  readonly reference: JsonObject;
  /** The other arguments that are filled in. */
  readonly others: Readonly<Record<string, string>>;
}

/** A text that the server completes while it is typed. */
export function CompletedInput({ name, description, required, value, onChange, reference, others }: CompletedInputProps) {
  const id = useId();
  const { connection } = useConsole();
  const hasCompletions = connection !== undefined && 'completions' in connection.server.capabilities;
  const [isAsking, setAsking] = useState(false);
  const [values, setValues] = useState<readonly string[]>([]);
  const othersText = JSON.stringify(others);
  useEffect(() => {
    if (!isAsking || !hasCompletions) return undefined;
    const controller = new AbortController();
    const timer = setTimeout(() => {
      const context = { arguments: JSON.parse(othersText) as JsonObject };
      const params = { ref: reference, argument: { name, value }, context };
      state.request('completion/complete', params, { signal: controller.signal }).then(
        ({ completion }) => setValues(isObject(completion) && Array.isArray(completion['values']) ? completion['values'].map(String) : []),
        () => undefined,
      );
    }, restMs);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [isAsking, hasCompletions, name, value, othersText]);
  return (
    <div class="field">
      <label class="field-label" for={id}>
        <span class="field-title">{name}</span>
        {required && <span class="field-required">required</span>}
      </label>
      {description !== undefined && (
        <p class="field-about" id={`${id}-about`}>
          {description}
        </p>
      )}
      <input
        id={id}
        class="input"
        type="text"
        autocomplete="off"
        list={`${id}-values`}
        required={required}
        value={value}
        aria-describedby={description === undefined ? undefined : `${id}-about`}
        onFocus={() => setAsking(true)}
        onBlur={() => setAsking(false)}
        onInput={event => onChange(event.currentTarget.value)}
      />
      <datalist id={`${id}-values`}>
        {values.map(each => (
          <option key={each} value={each} />
        ))}
      </datalist>
      {/* The list itself is the browser's. It is read out here, and takes no room: the button below would move under the pointer. */}
      {isAsking && values.length > 0 && (
        <p class="hidden" aria-live="polite">
          {values.length === 1 ? '1 suggestion' : `${values.length} suggestions`}: {values.slice(0, 5).join(', ')}
          {values.length > 5 && ', …'}
        </p>
      )}
    </div>
  );
}
