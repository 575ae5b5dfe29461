import { stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { McpReport } from '../report.ts';
import { toText } from './report-text.ts';

/** What `check` reads, and how it answers. */
export interface CheckOptions {
  /** The host's root; a relative module starts here. */
  readonly cwd: string;
  /** File of a module that exports an endpoint, or a Koa app that uses one. */
  readonly module: string;
  /** Prints JSON: an array with one report for each endpoint. */
  readonly json: boolean;
  /** Fails on warnings too. */
  readonly strict: boolean;
}

/** What `check` found. */
export interface CheckResult {
  readonly text: string;
  /** Whether a limit is exceeded or, under `strict`, there is a warning. */
  readonly failed: boolean;
}

interface Endpoint {
  report(): McpReport;
}

/**
 * Imports a module of the host, and reports on each endpoint that it exports.
 *
 * @throws {Error} No such file, a module that cannot be loaded, or one that exports no endpoint.
 */
export async function check({ cwd, module, json, strict }: CheckOptions): Promise<CheckResult> {
  const file = path.resolve(cwd, module);
  const isFile = await stat(file).then(
    entry => entry.isFile(),
    () => false,
  );
  if (!isFile) throw new Error(`${module}: no such file (looked for ${file})`);
  const endpoints = findEndpoints(await printingToStderr(() => load(file, module)));
  if (endpoints.length === 0) throw new Error(noEndpoint(module));
  const reports = endpoints.map(endpoint => endpoint.report());
  return {
    text: json ? `${JSON.stringify(reports, undefined, 2)}\n` : reports.map(toText).join('\n'),
    failed: reports.some(({ limits, warnings }) => limits.some(({ isExceeded }) => isExceeded) || (strict && warnings.length > 0)),
  };
}

/** Runs `work` with stdout redirected, so that stdout holds the report alone. */
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
  const found = [...values, ...members].flatMap(value => (isEndpoint(value) ? [value] : middlewareOf(value).filter(isEndpoint)));
  return [...new Set(found)];
}

function isEndpoint(value: unknown): value is Endpoint {
  return typeof value === 'function' && typeof (value as Partial<Endpoint>).report === 'function';
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
