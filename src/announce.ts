import type { ResolvedOptions } from './options.ts';
import type { McpReport } from './report.ts';
import { limitSentence, toLine, toStartEvent } from './report.ts';

/** The options that decide where the start is told. */
export type AnnounceOptions = Pick<ResolvedOptions, 'log' | 'node'> & { readonly onError: (error: unknown) => void };

/**
 * Tells what an endpoint exposes, once its process is idle after the start: one line of JSON to `log`, or else one line of text to stderr. Limits
 * that are exceeded and all warnings become process warnings, except writes without a row policy, which the line names.
 *
 * Under `NODE_ENV=test` there is no line on stderr, since tests make many endpoints.
 */
export function announce(report: () => McpReport, { log, node, onError }: AnnounceOptions): void {
  const tell = async () => {
    const told = report();
    for (const message of problems(told)) process.emitWarning(`${told.name}: ${message}`, 'KoaMcpWarning');
    if (log !== undefined) await log(JSON.stringify(toStartEvent(told, node)));
    else if (process.env['NODE_ENV'] !== 'test') process.stderr.write(`koa-mcp ${toLine(told)}\n`);
  };
  setImmediate(() => {
    tell().catch(onError);
  }).unref();
}

function problems({ limits, warnings }: McpReport): string[] {
  return [
    ...limits.filter(({ isExceeded }) => isExceeded).map(limitSentence),
    ...warnings.filter(({ kind }) => kind !== 'write').map(({ message }) => message),
  ];
}
