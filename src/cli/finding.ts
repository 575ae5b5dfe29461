/** What one check of `koa-mcp doctor` has found. */
export interface Finding {
  readonly check: string;
  readonly status: 'ok' | 'warning' | 'problem';
  readonly found: string;
  /** What to do. Absent if nothing is wrong. */
  readonly remedy?: string;
}

/** Findings without anything to do. */
export function toFindings(check: string, found: readonly string[]): Finding[] {
  return found.map(text => ({ check, status: 'ok', found: text }));
}
