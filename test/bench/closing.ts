/** Holds what must be closed, and closes it, the last one first. Node 20 has no `AsyncDisposableStack`. */
export class Closing implements AsyncDisposable {
  readonly #held: AsyncDisposable[] = [];
  #closing: Promise<void> | undefined;

  /** Takes charge of a resource. @throws {Error} Everything is being closed, and so will this be. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.#held.push(resource);
    this.assertOpen();
    return resource;
  }

  /** @throws {Error} Everything is being closed. */
  assertOpen(): void {
    if (this.#closing !== undefined) throw new Error('interrupted');
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing = (this.#closing ?? Promise.resolve()).then(() => this.#closeHeld());
    return this.#closing;
  }

  async #closeHeld(): Promise<void> {
    for (let last = this.#held.pop(); last !== undefined; last = this.#held.pop()) await last[Symbol.asyncDispose]();
  }
}
