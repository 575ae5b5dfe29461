/** Lines of context around a change. */
const contextLines = 3;
/** Changed lines up to which the shortest difference is looked for. Beyond, the changed part is shown as removed and added as a whole. */
const maxEdits = 1_000;

interface Line {
  readonly sign: ' ' | '-' | '+';
  readonly text: string;
}

/**
 * The difference of two texts in the unified format, as `git diff` prints it. Empty if they are equal.
 *
 * @param label The name of the text, for the two lines at its head.
 */
export function unifiedDiff(label: string, before: string, after: string): string {
  if (before === after) return '';
  const lines = compareLines(splitLines(before), splitLines(after));
  const from = before === '' ? '/dev/null' : `a/${label}`;
  return `--- ${from}\n+++ b/${label}\n${hunks(lines).join('')}`;
}

/** Lines with their ends, so that a changed line end is a change too. */
function splitLines(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

function compareLines(before: readonly string[], after: readonly string[]): Line[] {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1;
  const same = (lines: readonly string[]): Line[] => lines.map(text => ({ sign: ' ', text }));
  return [
    ...same(before.slice(0, head)),
    ...shortestEdits(before.slice(head, before.length - tail), after.slice(head, after.length - tail)),
    ...same(tail === 0 ? [] : before.slice(-tail)),
  ];
}

/**
 * The fewest removed and added lines.
 *
 * @see Eugene W. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986
 */
function shortestEdits(before: readonly string[], after: readonly string[]): Line[] {
  const trace: Map<number, number>[] = [];
  const reached = new Map<number, number>([[1, 0]]);
  for (let edits = 0; edits <= Math.min(before.length + after.length, maxEdits); edits += 1) {
    trace.push(new Map(reached));
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = isAdded(reached, diagonal, edits) ? (reached.get(diagonal + 1) ?? 0) : (reached.get(diagonal - 1) ?? 0) + 1;
      while (x < before.length && x - diagonal < after.length && before[x] === after[x - diagonal]) x += 1;
      reached.set(diagonal, x);
      if (x >= before.length && x - diagonal >= after.length) return walkBack(trace, before, after);
    }
  }
  return [...before.map(text => ({ sign: '-', text }) as const), ...after.map(text => ({ sign: '+', text }) as const)];
}

/** Whether the furthest path to a diagonal ends with an added line, rather than a removed one. */
function isAdded(reached: ReadonlyMap<number, number>, diagonal: number, edits: number): boolean {
  const [below, above] = [reached.get(diagonal - 1) ?? -1, reached.get(diagonal + 1) ?? -1];
  return diagonal === -edits || (diagonal !== edits && below < above);
}

function walkBack(trace: readonly ReadonlyMap<number, number>[], before: readonly string[], after: readonly string[]): Line[] {
  const lines: Line[] = [];
  let x = before.length;
  let y = after.length;
  for (let edits = trace.length - 1; edits >= 0; edits -= 1) {
    const reached = trace[edits] ?? new Map<number, number>();
    const diagonal = x - y;
    const previous = isAdded(reached, diagonal, edits) ? diagonal + 1 : diagonal - 1;
    const fromX = edits === 0 ? 0 : (reached.get(previous) ?? 0);
    const fromY = edits === 0 ? 0 : fromX - previous;
    while (x > fromX && y > fromY) {
      lines.push({ sign: ' ', text: before[x - 1] ?? '' });
      x -= 1;
      y -= 1;
    }
    if (edits === 0) break;
    lines.push(x === fromX ? { sign: '+', text: after[y - 1] ?? '' } : { sign: '-', text: before[x - 1] ?? '' });
    x = fromX;
    y = fromY;
  }
  return lines.reverse();
}

function hunks(lines: readonly Line[]): string[] {
  const changed = lines.flatMap(({ sign }, index) => (sign === ' ' ? [] : [index]));
  const ranges: { start: number; end: number }[] = [];
  for (const index of changed) {
    const [start, end] = [Math.max(0, index - contextLines), Math.min(lines.length, index + contextLines + 1)];
    const last = ranges.at(-1);
    if (last !== undefined && start <= last.end) last.end = end;
    else ranges.push({ start, end });
  }
  return ranges.map(({ start, end }) => toHunk(lines, start, end));
}

function toHunk(lines: readonly Line[], start: number, end: number): string {
  const hunk = lines.slice(start, end);
  const range = (without: Line['sign']) => {
    const count = hunk.filter(({ sign }) => sign !== without).length;
    const first = lines.slice(0, start).filter(({ sign }) => sign !== without).length + (count === 0 ? 0 : 1);
    return `${first},${count}`;
  };
  const body = hunk.map(({ sign, text }) => (text.endsWith('\n') ? `${sign}${text}` : `${sign}${text}\n\\ No newline at end of file\n`));
  return `@@ -${range('+')} +${range('-')} @@\n${body.join('')}`;
}
