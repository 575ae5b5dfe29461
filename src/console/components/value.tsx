import type { ComponentChildren } from 'preact';
import { isObject } from '../../client/wire.ts';

/** Characters of a text that a cell shows before it is asked for the rest. */
const maxChars = 240;

/** Any JSON value, to read. */
export function Value({ value }: { value: unknown }): ComponentChildren {
  if (value === undefined) return <span class="faint">–</span>;
  if (value === null) return <span class="faint">null</span>;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string') return <Text text={value} />;
  if (Array.isArray(value)) return <Items items={value} />;
  return isObject(value) ? <Members value={value} /> : null;
}

function Items({ items }: { items: readonly unknown[] }): ComponentChildren {
  if (items.length === 0) return <span class="faint">none</span>;
  if (!items.some(item => typeof item === 'object' && item !== null)) return items.map(String).join(', ');
  return (
    <details>
      <summary>{items.length} items</summary>
      <ol class="items">
        {items.map((item, index) => (
          <li key={index}>
            <Value value={item} />
          </li>
        ))}
      </ol>
    </details>
  );
}

function Members({ value }: { value: Readonly<Record<string, unknown>> }) {
  return (
    <span class="members">
      {Object.entries(value).map(([name, member]) => (
        <span class="member" key={name}>
          <span class="faint">{name}</span> <Value value={member} />
        </span>
      ))}
    </span>
  );
}

const isoTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})$/u;

function Text({ text }: { text: string }) {
  if (text === '') return <span class="faint">empty text</span>;
  if (isoTime.test(text)) return <time dateTime={text}>{text.replace('T', ' ').replace(/(?:\.0+)?Z$/u, ' UTC')}</time>;
  if (text.length <= maxChars) return <span class="text">{text}</span>;
  return (
    <details>
      <summary class="text">{text.slice(0, maxChars)} …</summary>
      <span class="text">{text}</span>
    </details>
  );
}
