import { fileURLToPath } from 'node:url';
import { installNested } from '../support/nested-package.ts';

const folder = new URL('./', import.meta.url);

/** The suite's entry, and the Node that runs it: it needs 22, while the server under test stays on the one that runs this. */
export const suite: { readonly node: string; readonly entry: string } = {
  node: fileURLToPath(new URL('node_modules/node/bin/node', folder)),
  entry: fileURLToPath(new URL('node_modules/@modelcontextprotocol/conformance/dist/index.js', folder)),
};

/** Installs the pinned suite, unless it is there. */
export function installSuite(): Promise<void> {
  return installNested(folder, { runsScripts: true });
}
