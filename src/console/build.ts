import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { build } from 'esbuild';

const here = new URL('.', import.meta.url);
const target = new URL('../../dist/console/', import.meta.url);

/** The text of a file with all that it imports, made small. */
async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [new URL(entry, here).pathname],
    bundle: true,
    minify: true,
    format: 'iife',
    target: ['chrome111', 'firefox111', 'safari16.4'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    charset: 'utf8',
    write: false,
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error(`${entry}: esbuild made nothing of it`);
  return output.text.trim();
}

const [template, script, style] = await Promise.all([
  readFile(new URL('page.html', here), 'utf8'),
  bundle('main.tsx'),
  bundle('console.css'),
]);
await mkdir(target, { recursive: true });
await writeFile(
  new URL('page.html', target),
  template.replace('/* style */', () => style).replace('/* script */', () => script),
);
