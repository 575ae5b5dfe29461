import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { Empty, Notice } from '../components/parts.tsx';
import { linkTo } from '../route.ts';
import type { Listed } from '../state.ts';

/** One entry of a list. */
export interface Entry {
  /** Names it in the address of the page. */
  readonly id: string;
  readonly title: string;
  /** Its name for programs, if that differs from the title. */
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  /** The heading that it stands under. */
  readonly group?: string;
}

/** What `Split` shows. */
export interface SplitProps {
  /** The view, as the address names it. */
  readonly view: string;
  readonly title: string;
  readonly entries: readonly Entry[];
  readonly listed: readonly Listed<unknown>[];
  /** The chosen entry. */
  readonly selected: string | undefined;
  /** What stands where the list is empty. */
  readonly empty: ComponentChildren;
  /** The chosen entry as a whole; `undefined` if there is no such entry. */
  readonly children: ComponentChildren | undefined;
}

/** A list, and beside it what was chosen. On a narrow screen one of the two is shown. */
export function Split({ view, title, entries, listed, selected, empty, children }: SplitProps) {
  const id = useId();
  const [typed, setTyped] = useState('');
  const isLoading = listed.some(({ items }) => items === undefined);
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => list.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest' }), [selected, isLoading]);
  const words = typed.toLowerCase().split(/\s+/u);
  const matching = entries.filter(entry =>
    words.every(word => `${entry.title} ${entry.name ?? ''} ${entry.description ?? ''}`.toLowerCase().includes(word)),
  );
  const groups = [...new Set(matching.map(({ group }) => group))];
  const problem = listed.find(({ error }) => error !== undefined)?.error;
  return (
    <div class={`split ${selected === undefined ? '' : 'split-chosen'}`}>
      <div class="split-list stack" ref={list}>
        {selected === undefined ? <h1>{title}</h1> : <h2 class="list-title">{title}</h2>}
        {problem !== undefined && (
          <Notice tone="bad" title="The list cannot be read">
            <p>{problem}</p>
          </Notice>
        )}
        {isLoading ? (
          <p role="status" class="waiting">
            Reading the list …
          </p>
        ) : entries.length === 0 && problem === undefined ? (
          <Empty title={`No ${title.toLowerCase()}`}>{empty}</Empty>
        ) : (
          <>
            {entries.length > 6 && (
              <div class="field">
                <label class="hidden" for={id}>
                  Search in {title.toLowerCase()}
                </label>
                <input
                  id={id}
                  class="input"
                  type="search"
                  placeholder="Search"
                  value={typed}
                  onInput={event => setTyped(event.currentTarget.value)}
                />
              </div>
            )}
            {matching.length === 0 && entries.length > 0 && <p class="faint">Nothing matches “{typed}”.</p>}
            {groups.map(group => (
              <div key={group ?? ''} class="stack-small">
                {group !== undefined && <p class="list-head">{group}</p>}
                <ul class="entries">
                  {matching
                    .filter(entry => entry.group === group)
                    .map(entry => (
                      <li key={entry.id}>
                        <a href={linkTo(view, entry.id)} aria-current={entry.id === selected ? 'true' : undefined}>
                          <span class="entry-title">{entry.title}</span>
                          {entry.name !== undefined && entry.name !== entry.title && <code class="entry-name">{entry.name}</code>}
                          {entry.description !== undefined && <span class="entry-about">{firstSentence(entry.description)}</span>}
                        </a>
                      </li>
                    ))}
                </ul>
              </div>
            ))}
          </>
        )}
      </div>
      <div class="split-detail">
        {selected !== undefined && (
          <a class="back" href={linkTo(view)}>
            ← All {title.toLowerCase()}
          </a>
        )}
        {children ?? (isLoading ? null : <NoEntry isChosen={selected !== undefined} hasEntries={entries.length > 0} />)}
      </div>
    </div>
  );
}

/** What stands in place of an entry. */
function NoEntry({ isChosen, hasEntries }: { isChosen: boolean; hasEntries: boolean }) {
  if (isChosen) {
    return (
      <div class="stack">
        <h1 class="detail-title">Not found</h1>
        <Empty title="There is no such entry">
          The server has no entry of this name for you. It may have been removed, or you may have to sign in.
        </Empty>
      </div>
    );
  }
  return hasEntries ? <Empty title="Nothing chosen">Choose an entry of the list.</Empty> : null;
}

function firstSentence(text: string): string {
  const [, sentence = text] = /^(.{10,}?[.!?])\s/su.exec(text) ?? [];
  return sentence.length > 110 ? `${sentence.slice(0, 108).trimEnd()} …` : sentence;
}
