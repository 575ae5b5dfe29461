/** Milliseconds after which the user is told what a command waits for. */
const quietMs = 2_000;

/** Waits for `work`. Every two seconds it writes to stderr what the command waits for, and since when. */
export async function patiently<T>(what: string, work: Promise<T>): Promise<T> {
  const startedAt = performance.now();
  const timer = setInterval(() => {
    process.stderr.write(`${what}, ${Math.round((performance.now() - startedAt) / 1000)} s\n`);
  }, quietMs);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}
