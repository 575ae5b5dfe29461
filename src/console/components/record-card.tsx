import { isObject } from '../../client/wire.ts';
import type { JsonObject } from '../../protocol/definitions.ts';
import { wordsOf } from './schema.ts';
import { Value } from './value.tsx';

/** One object as a card: its members with their values. */
export function RecordCard({ record }: { record: JsonObject }) {
  const members = Object.entries(record);
  if (members.length === 0) return <p class="faint">An object without members.</p>;
  return (
    <dl class="record">
      {members.map(([name, value]) => (
        <div key={name} class="record-row">
          <dt>{wordsOf(name)}</dt>
          <dd>{isObject(value) ? <RecordCard record={value} /> : <Value value={value} />}</dd>
        </div>
      ))}
    </dl>
  );
}
