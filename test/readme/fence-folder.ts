import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import type { Fence } from './readme.ts';
import { fences, root } from './readme.ts';

/** The TypeScript of README and docs. */
export const typescriptFences: Fence[] = fences.filter(({ language }) => language === 'ts');

/** What the first fence calls the app's own. */
const signIn = `import type { Middleware } from 'koa';
export const signIn: Middleware = (ctx, next) => {
  const id = ctx.get('x-client') || ctx.throw(401, 'Who are you?');
  ctx.state['user'] = { id, clientId: Number(id) };
  return next();
};
`;

/** What a fence of docs/processes.md calls the app's own. */
const adapter = `import { PrismaLibSql } from '@prisma/adapter-libsql';
export const adapter = new PrismaLibSql({ url: 'file:./dev.db' });
`;

/** A folder in which the fences are modules of an app, beside the modules that they call the app's own. */
export interface FenceFolder extends AsyncDisposable {
  readonly path: string;
  /** Writes a fence as a module, with these pieces of it replaced. Returns the path of the module. */
  write(fence: Fence | undefined, replacements?: Record<string, string>): Promise<string>;
}

export async function openFenceFolder(): Promise<FenceFolder> {
  const folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-readme-'));
  await mkdir(path.join(folder, 'generated'));
  await symlink(`${root}example-app/generated/sqlite/client`, path.join(folder, 'generated/prisma'));
  await symlink(`${root}example-app/generated/sqlite/mcp`, path.join(folder, 'generated/mcp'));
  await symlink(`${root}node_modules`, path.join(folder, 'node_modules'));
  await writeFile(path.join(folder, 'package.json'), '{ "type": "module" }');
  await writeFile(path.join(folder, 'sign-in.ts'), signIn);
  await writeFile(path.join(folder, 'adapter.ts'), adapter);
  return {
    path: folder,
    write: async (fence, replacements = {}) => {
      let text = fence?.text ?? '';
      for (const [piece, other] of Object.entries(replacements)) {
        expect(text.split(piece), `${piece} once in the fence`).toHaveLength(2);
        text = text.replace(piece, () => other);
      }
      const file = path.join(folder, `${path.basename(fence?.file ?? '', '.md')}-${fence?.line}.ts`);
      await writeFile(file, text);
      return file;
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}
