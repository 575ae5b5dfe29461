/**
 * What a model may read of an error that a handler threw.
 *
 * An error with `expose: true`, or a 4xx `status` without `expose: false`, says its own message (Koa's convention); any other goes to
 * `report` and leaves a reference.
 */
export function describeError(error: unknown, report: (error: unknown) => string): string {
  const { expose, status, message } = (typeof error === 'object' && error !== null ? error : {}) as {
    expose?: unknown;
    status?: unknown;
    message?: unknown;
  };
  const shown = typeof expose === 'boolean' ? expose : typeof status === 'number' && status >= 400 && status < 500;
  return shown && typeof message === 'string' && message !== '' ? message : `Internal error (ref ${report(error)})`;
}
