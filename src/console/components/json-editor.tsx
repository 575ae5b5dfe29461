import { useId, useRef, useState } from 'preact/hooks';

/** A JSON value as text to edit. */
export interface JsonEditorProps {
  readonly label: string;
  readonly value: unknown;
  readonly onChange: (value: unknown) => void;
  /** Hears whether the text is JSON. While it is none, the value stays what it was. */
  readonly onValid?: (isValid: boolean) => void;
  readonly rows?: number;
  /** Whether the label is shown, or only read out. @default true */
  readonly hasLabel?: boolean;
  /** Whether an empty text means no value. @default false */
  readonly optional?: boolean;
}

/** Edits a value as JSON. A value that changes elsewhere replaces the text. */
export function JsonEditor(props: JsonEditorProps) {
  const { label, value, onChange, onValid, rows = 4, hasLabel = true, optional = false } = props;
  const id = useId();
  const shown = useRef(value);
  const [text, setText] = useState(() => textOf(value));
  const [problem, setProblem] = useState<string>();
  if (shown.current !== value && JSON.stringify(shown.current) !== JSON.stringify(value)) {
    shown.current = value;
    setText(textOf(value));
    setProblem(undefined);
    onValid?.(true);
  }
  const edit = (next: string) => {
    setText(next);
    try {
      const parsed: unknown = optional && next.trim() === '' ? undefined : JSON.parse(next);
      shown.current = parsed;
      setProblem(undefined);
      onValid?.(true);
      onChange(parsed);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
      onValid?.(false);
    }
  };
  return (
    <div class="field">
      <label for={id} class={hasLabel ? 'field-label' : 'hidden'}>
        {label}
      </label>
      <textarea
        id={id}
        class="input json"
        rows={Math.max(rows, Math.min(24, text.split('\n').length))}
        spellcheck={false}
        autocapitalize="off"
        value={text}
        aria-invalid={problem !== undefined}
        aria-describedby={problem === undefined ? undefined : `${id}-problem`}
        onInput={event => edit(event.currentTarget.value)}
      />
      {problem !== undefined && (
        <p class="field-problem" id={`${id}-problem`} role="alert">
          This is not JSON yet: {problem}
        </p>
      )}
    </div>
  );
}

function textOf(value: unknown): string {
  return value === undefined ? '' : JSON.stringify(value, undefined, 2);
}
