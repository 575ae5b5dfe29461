/** Gathers what is wrong with a declaration, so that one start tells all of it. */
export interface Complaints {
  /** The result of `check`; `undefined` if it threw a `TypeError`, which is kept. */
  readonly gather: <T>(check: () => T) => T | undefined;
  /** @throws {TypeError} all that was gathered, one complaint a line. */
  readonly assertNone: () => void;
}

/** An empty list of complaints. */
export function complaints(): Complaints {
  const errors: TypeError[] = [];
  return {
    gather: check => {
      try {
        return check();
      } catch (error) {
        if (!(error instanceof TypeError)) throw error;
        errors.push(error);
        return undefined;
      }
    },
    assertNone: () => {
      const [first] = errors;
      if (first === undefined) return;
      throw errors.length === 1 ? first : new TypeError(errors.map(({ message }) => message).join('\n'), { cause: first });
    },
  };
}
