import { pathToFileURL } from 'node:url';

/** Loads koa-mcp as it is built, or another build of it. */
export async function loadKoaMcp(build: string | undefined): Promise<typeof import('koa-mcp')> {
  return build === undefined ? import('koa-mcp') : ((await import(pathToFileURL(`${build}/index.js`).href)) as typeof import('koa-mcp'));
}
