/** Cuts what a PostgreSQL server sends into messages: a byte for the type, four for the length without that byte, then the content. */
export class WireMessages {
  #rest: Buffer = Buffer.alloc(0);

  /** The messages that are complete with this chunk. */
  take(chunk: Buffer): Buffer[] {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const messages: Buffer[] = [];
    while (rest.length >= 5) {
      const bytes = 1 + rest.readUInt32BE(1);
      if (rest.length < bytes) break;
      messages.push(rest.subarray(0, bytes));
      rest = rest.subarray(bytes);
    }
    this.#rest = rest;
    return messages;
  }
}

/** Tells the answers to writes that were committed from all others. */
export class Answers {
  #hasWritten = false;
  readonly #held: Buffer[] = [];

  /**
   * What to do with one message: the messages to forward, in which the answer to a committed write is whole.
   *
   * From `CommandComplete` of a write on, nothing is forwarded before `ReadyForQuery` has said whether it was committed.
   *
   * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
   */
  take(message: Buffer): { forward: Buffer[]; isCommittedWrite: boolean } {
    const type = String.fromCharCode(message[0] ?? 0);
    if (type === 'C') this.#hasWritten = this.#writes(message.toString('latin1', 5, message.length - 1));
    const isHolding = this.#held.length > 0 || (type === 'C' && this.#hasWritten);
    this.#held.push(message);
    if (isHolding && type !== 'Z') return { forward: [], isCommittedWrite: false };
    // Status I: no transaction is open. In T, or E after a failure, a write is not committed yet.
    const isOutsideTransaction = type === 'Z' && message[5] === 'I'.charCodeAt(0);
    const isCommittedWrite = isOutsideTransaction && isHolding;
    if (isOutsideTransaction) this.#hasWritten = false;
    return { forward: this.#held.splice(0), isCommittedWrite };
  }

  #writes(tag: string): boolean {
    if (tag === 'ROLLBACK') return false;
    return this.#hasWritten || /^(?:INSERT \d+|UPDATE|DELETE) [1-9]/u.test(tag);
  }
}
