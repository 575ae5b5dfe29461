import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Plugin } from 'esbuild';
import { build } from 'esbuild';

/** Inside the package, so that its dependencies and its own name are found from there. */
const folder = fileURLToPath(new URL('../../generated/test/scripts/', import.meta.url));
const files = new Map<string, Promise<string>>();

/** Changes the source of a file before it is compiled. */
export type ChangeSource = (file: string, source: string) => string;

/**
 * Compiles a TypeScript script and the files of the repository that it imports into one JavaScript file; packages stay outside.
 *
 * A child process that runs this file starts with a third of the processor time that it needs with `--import tsx`.
 *
 * @returns The path of the file.
 */
export function compile(script: URL): Promise<string> {
  const file = files.get(script.href) ?? compileChanged(script, (_, source) => source);
  files.set(script.href, file);
  return file;
}

/** The same with some of the sources changed. */
export async function compileChanged(script: URL, change: ChangeSource): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(script)],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    sourcemap: 'inline',
    plugins: [readSources(change)],
    write: false,
  });
  const contents = outputFiles[0]?.contents ?? new Uint8Array();
  const name = `${path.basename(script.pathname, '.ts')}-${createHash('sha256').update(contents).digest('hex').slice(0, 16)}.mjs`;
  const file = path.join(folder, name);
  // Renamed when it is whole: other test files may compile the same script now.
  const unfinished = `${file}.${process.pid}`;
  await mkdir(folder, { recursive: true });
  await writeFile(unfinished, contents);
  await rename(unfinished, file);
  return file;
}

/** `import.meta.url` becomes that of the source, beside which a script may look for other files. */
function readSources(change: ChangeSource): Plugin {
  return {
    name: 'sources',
    setup(compilation) {
      compilation.onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
        const source = change(file, await readFile(file, 'utf8'));
        return { loader: 'ts', contents: source.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(file).href)) };
      });
    },
  };
}
