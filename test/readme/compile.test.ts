import ts from 'typescript';
import { expect, it } from 'vitest';
import { openFenceFolder, typescriptFences } from './fence-folder.ts';
import { root } from './readme.ts';

it('TypeScript in README and docs compiles under strict as it stands', async () => {
  await using folder = await openFenceFolder();
  const files = await Promise.all(typescriptFences.map(fence => folder.write(fence)));
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts'],
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    typeRoots: [`${root}node_modules/@types`],
    paths: { 'koa-mcp': [`${root}src/index.ts`], 'koa-mcp/testing': [`${root}src/testing/connect.ts`] },
    strict: true,
    noEmit: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
  });
  const problems = ts.getPreEmitDiagnostics(program).filter(({ file }) => file?.fileName.startsWith(folder.path));
  expect(problems.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
}, 60_000);
