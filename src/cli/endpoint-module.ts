import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { EndpointParts } from '../parts.ts';
import { partsKey } from '../parts.ts';
import type { McpReport } from '../report.ts';

/** An endpoint of a host's module: what `mcp()` of the host's own copy of this package has returned. */
export interface Endpoint {
  readonly report: () => McpReport;
  /** Absent in versions without them. */
  readonly parts: EndpointParts | undefined;
  /** The Koa app that uses it, if the module exports that. */
  readonly app: { readonly proxy?: unknown } | undefined;
}

/**
 * Imports a module of the host and finds the endpoints that it exports. What the module prints goes to stderr.
 *
 * @param cwd A relative module starts here.
 * @throws {Error} No such file, a module that cannot be loaded, or one that exports no endpoint.
 */
export async function loadEndpoints(cwd: string, module: string): Promise<Endpoint[]> {
  const file = path.resolve(cwd, module);
  const isFile = await stat(file).then(
    entry => entry.isFile(),
    () => false,
  );
  if (!isFile) throw new Error(`${module}: no such file (looked for ${file})`);
  const endpoints = findEndpoints(await printingToStderr(() => load(file, module)));
  if (endpoints.length === 0) throw new Error(noEndpoint(module));
  return endpoints;
}

/** Runs `work` with stdout redirected, so that stdout holds the result of the command alone. */
async function printingToStderr<T>(work: () => Promise<T>): Promise<T> {
  const { stdout, stderr } = process;
  const write = stdout.write.bind(stdout);
  stdout.write = stderr.write.bind(stderr);
  try {
    return await work();
  } finally {
    stdout.write = write;
  }
}

async function load(file: string, module: string): Promise<object> {
  if (/\.[cm]?tsx?$/.test(file)) await registerTsx(file);
  try {
    return (await import(pathToFileURL(file).href)) as object;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_UNKNOWN_FILE_EXTENSION') throw new Error(noTypeScript(module), { cause: error });
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${module} cannot be loaded: ${reason}`, { cause: error });
  }
}

/** Lets this process import TypeScript if the host has tsx. Otherwise Node itself may do so. */
async function registerTsx(file: string): Promise<void> {
  let loader: string;
  try {
    loader = createRequire(file).resolve('tsx');
  } catch {
    return;
  }
  await import(pathToFileURL(loader).href);
}

/** The endpoints among the exports of a module: themselves, in an object, or as middleware of a Koa app. */
function findEndpoints(exports: object): Endpoint[] {
  const values = Object.values(exports) as unknown[];
  const members = values.filter(isPlainObject).flatMap(value => Object.values(value));
  const found = new Map<Middleware, Endpoint['app']>();
  for (const value of [...values, ...members]) {
    for (const middleware of [value, ...middlewareOf(value)].filter(isEndpoint)) {
      found.set(middleware, found.get(middleware) ?? (middleware === value ? undefined : (value as Endpoint['app'])));
    }
  }
  return [...found].map(([middleware, app]) => ({ report: () => middleware.report(), parts: middleware[partsKey], app }));
}

/** What `mcp()` returns, as far as the commands use it. */
interface Middleware {
  report(): McpReport;
  readonly [partsKey]?: EndpointParts;
}

function isEndpoint(value: unknown): value is Middleware {
  return typeof value === 'function' && typeof (value as Partial<Middleware>).report === 'function';
}

function middlewareOf(value: unknown): unknown[] {
  const { middleware } = typeof value === 'object' && value !== null ? (value as { middleware?: unknown }) : {};
  return Array.isArray(middleware) ? middleware : [];
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null);
}

function noEndpoint(module: string): string {
  return `${module} exports no endpoint. Export what mcp() returns, or the Koa app that uses it, from a module that does not listen:

  export const endpoint = mcp({ name: 'reservations', prisma, datamodel, models });`;
}

function noTypeScript(module: string): string {
  return `${module} is TypeScript, which Node ${process.version} does not run by itself. Add tsx (npm install --save-dev tsx), or name the
compiled module.`;
}
