import { useState } from 'preact/hooks';
import { isObject } from '../../client/wire.ts';
import type { JsonObject } from '../../protocol/definitions.ts';
import type { OpenResource } from './content-view.tsx';
import { ContentView } from './content-view.tsx';
import { Code, Notice, Tabs } from './parts.tsx';
import { RecordCard } from './record-card.tsx';
import { dataOf, jsonIn, rowsIn, textOf } from './results.ts';
import { RowsTable } from './rows-table.tsx';
import { Value } from './value.tsx';

type View = 'table' | 'card' | 'content' | 'json';

/** The result of a tool: rows as a table, one object as a card, blocks as what they are, and everything as JSON. */
export function ResultView({
  result,
  onOpen,
  onNext,
}: {
  result: JsonObject;
  onOpen?: OpenResource | undefined;
  onNext?: ((cursor: string) => void) | undefined;
}) {
  const [wanted, setWanted] = useState<View>();
  const data = dataOf(result);
  const found = rowsIn(data);
  const blocks = (Array.isArray(result['content']) ? result['content'] : []).filter(isObject);
  // A text that only repeats the data is not worth a look of its own.
  const own = data === undefined ? blocks : blocks.filter(block => block['type'] !== 'text' || jsonIn(block['text']) === undefined);
  if (result['isError'] === true) {
    return (
      <Notice tone="bad" title="The tool reports an error">
        <p class="text">{blocks.map(block => textOf(block['text'])).join('\n') || 'It says nothing more.'}</p>
      </Notice>
    );
  }
  const views: [View, string][] = [
    ...(found !== undefined ? [['table', 'Table'] satisfies [View, string]] : []),
    ...(isObject(data) && found === undefined ? [['card', 'Card'] satisfies [View, string]] : []),
    ...(own.length > 0 || data === undefined ? [['content', 'Content'] satisfies [View, string]] : []),
    ['json', 'JSON'],
  ];
  const view = views.some(([id]) => id === wanted) ? (wanted as View) : (views[0]?.[0] ?? 'json');
  const cursor = found?.others['nextCursor'];
  return (
    <div class="result">
      <Tabs label="Views of the result" tabs={views} selected={view} onSelect={setWanted} />
      {view === 'table' && found !== undefined && (
        <>
          <Facts others={found.others} count={found.rows.length} />
          {found.rows.length === 0 ? <p class="faint">No rows.</p> : <RowsTable rows={found.rows} label="Rows" />}
          {typeof cursor === 'string' && onNext !== undefined && (
            <button type="button" class="button" onClick={() => onNext(cursor)}>
              Next page
            </button>
          )}
        </>
      )}
      {view === 'card' && isObject(data) && (
        <div class="panel">
          <RecordCard record={data} />
        </div>
      )}
      {view === 'content' && <ContentView blocks={own} onOpen={onOpen} />}
      {view === 'json' && <Code label="Result as JSON" text={JSON.stringify(result, undefined, 2)} />}
    </div>
  );
}

/** How many rows there are, and what else the result says. */
function Facts({ others, count }: { others: JsonObject; count: number }) {
  return (
    <p class="facts">
      <span>{count === 1 ? '1 row' : `${count} rows`}</span>
      {Object.entries(others)
        .filter(([name]) => name !== 'nextCursor')
        .map(([name, value]) => (
          <span key={name}>
            {name}: <Value value={value} />
          </span>
        ))}
    </p>
  );
}
