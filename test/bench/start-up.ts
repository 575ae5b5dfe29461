import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** How long a fresh process takes to load koa-mcp and to expose this many models, in ms. */
export async function measureStartUp(models: number, build: string | undefined): Promise<number> {
  const script = fileURLToPath(new URL('start-up-child.ts', import.meta.url));
  const args = ['--import', import.meta.resolve('tsx'), script, `${models}`, ...(build === undefined ? [] : [build])];
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, NODE_ENV: 'production' } });
  return Number(stdout);
}
