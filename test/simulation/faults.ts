/** How often what was injected. */
export class Counts {
  readonly #byKind = new Map<string, number>();

  add(kind: string, times = 1): void {
    this.#byKind.set(kind, (this.#byKind.get(kind) ?? 0) + times);
  }

  toJSON(): Record<string, number> {
    return Object.fromEntries([...this.#byKind].sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}
