import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { installNested } from '../support/nested-package.ts';

/** What the tests use of `@google/adk`. */
export interface Adk {
  readonly MCPToolset: new (connection: Connection, filter?: string[], prefix?: string) => Toolset;
  setLogger(logger: null): void;
}

interface Connection {
  readonly type: 'StreamableHTTPConnectionParams';
  readonly url: string;
  readonly transportOptions: { readonly requestInit: { readonly headers: Record<string, string> } };
}

export interface Toolset {
  getTools(): Promise<Tool[]>;
  /** Names, not URIs. */
  listResources(): Promise<string[]>;
  readResource(name: string): Promise<{ readonly uri: string; readonly text?: string }[]>;
  close(): Promise<void>;
}

export interface Tool {
  readonly name: string;
  /** What Gemini is shown. */
  _getDeclaration(): { readonly name: string; readonly parameters?: GeminiSchema; readonly response?: GeminiSchema };
  runAsync(request: { args: object; toolContext: { abortSignal?: AbortSignal } }): Promise<Record<string, unknown>>;
}

export interface GeminiSchema {
  readonly type?: string;
  readonly properties?: Record<string, GeminiSchema>;
  readonly items?: GeminiSchema;
  readonly anyOf?: GeminiSchema[];
}

/** Where the nested package is; it has a lock file of its own. */
const folder = new URL('adk/', import.meta.url);

/** Loads Google ADK, and installs it first where that has not been done. */
export async function loadAdk(): Promise<Adk> {
  await installNested(folder);
  const file = createRequire(new URL('package.json', folder)).resolve('@google/adk');
  const adk = (await import(pathToFileURL(file).href)) as Adk;
  // It reports every stream that it closes itself as an error.
  adk.setLogger(null);
  return adk;
}
