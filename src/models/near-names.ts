/** `; did you mean startsAt?` for `start_at`, `StartsAt`, `startAt`. */
export function didYouMean(name: string, names: Iterable<string>): string {
  const near = nearest(name, names);
  return near === undefined ? '' : `; did you mean ${near}?`;
}

const maxNameChars = 64;

/** The name that was probably meant: the same letters, or an id of that name, or a few letters off. `undefined` if none is near. */
export function nearest(name: string, names: Iterable<string>): string | undefined {
  const wanted = plain(name);
  if (wanted === '' || name.length > maxNameChars) return undefined;
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const known of names) {
    const letters = plain(known);
    const distance = letters === wanted ? 0 : letters === `${wanted}id` || letters === `${wanted}s` ? 0.5 : distanceOf(wanted, letters);
    const limit = Math.min(3, Math.floor(Math.max(wanted.length, letters.length) / 3));
    if (distance <= limit && (best === undefined || distance < best.distance)) best = { name: known, distance };
  }
  return best?.name;
}

/** Letters and digits in lower case: `start_at`, `StartAt` → `startat`. */
export function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^\p{L}\p{N}]/gu, '');
}

/** Edits between two words: letters added, removed, replaced, or swapped with their neighbour. */
function distanceOf(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 3) return Number.POSITIVE_INFINITY;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let edits = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) edits = Math.min(edits, (before[j - 2] ?? 0) + 1);
      row.push(edits);
    }
    before = last;
    last = row;
  }
  return last[b.length] ?? Number.POSITIVE_INFINITY;
}
