/** Characters of a tool's description; vendors refuse or cut longer ones. */
export const maxDescriptionChars = 1024;

/**
 * A `///` comment without what other generators read in it, `undefined` if nothing is left.
 *
 * `The guest's name. @zod.string.min(1, { message: "(" })` → `The guest's name.`
 *
 * Taken out are `@name(…)` and `@name.more`, with calls chained to them, and lines of nothing but `@name` or `[Name]`. `@deprecated Use x` stays.
 */
export function plainDocumentation(comment: string | undefined): string | undefined {
  const lines = withoutCalls(comment ?? '')
    .split('\n')
    .map(line => line.replace(/^\s*(?:!?\[[^\]]*\]|@\w+)(?:\s+(?:!?\[[^\]]*\]|@\w+))*\s*$/, '').trim())
    .filter((line, index, all) => line !== '' || (index > 0 && all[index - 1] !== ''));
  const text = lines.join('\n').trim();
  return text === '' ? undefined : text;
}

/** At most `maxDescriptionChars`, cut between words. */
export function bounded(description: string): string {
  if (description.length <= maxDescriptionChars) return description;
  const cut = description.slice(0, maxDescriptionChars - 1);
  const end = cut.lastIndexOf(' ');
  return `${end > maxDescriptionChars / 2 ? cut.slice(0, end) : cut.replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** Without `@a.b(…).c(…)`, as far as its parentheses are closed. */
function withoutCalls(comment: string): string {
  let text = '';
  let rest = comment;
  for (;;) {
    const match = /(?<![\w.])@\w+(?=[.(])/.exec(rest);
    if (match === null) return text + rest;
    const end = endOfCall(rest, match.index + match[0].length);
    text += rest.slice(0, end === undefined ? match.index + match[0].length : match.index);
    rest = rest.slice(end ?? match.index + match[0].length);
  }
}

/** Where `.b(…).c(…)` ends; `undefined` if nothing of the kind begins here. */
function endOfCall(text: string, start: number): number | undefined {
  let at = start;
  for (;;) {
    const name = /^\s*\.\w+/.exec(text.slice(at));
    if (name !== null) at += name[0].length;
    else if (text[at] === '(') {
      const close = closing(text, at);
      if (close === undefined) return at > start ? at : undefined;
      at = close + 1;
    } else return at > start ? at : undefined;
  }
}

/** The parenthesis that closes the one at `open`, quoted ones aside. */
function closing(text: string, open: number): number | undefined {
  let depth = 0;
  let quote = '';
  for (let at = open; at < text.length; at++) {
    const char = text[at] as string;
    if (quote !== '') {
      if (char === '\\') at++;
      else if (char === quote) quote = '';
    } else if (char === '"' || char === "'" || char === '`') quote = char;
    else if (char === '(') depth++;
    else if (char === ')' && --depth === 0) return at;
  }
  return undefined;
}
