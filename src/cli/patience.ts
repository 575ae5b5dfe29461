/** Milliseconds after which the user is told what a command waits for. */
const quietMs = 2_000;

/** Waits for `work`, and says on stderr every two seconds what is waited for. */
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
