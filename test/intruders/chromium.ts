import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';
import type { Program } from '../support/program.ts';

export const chromiumProgram: Program = { path: '/usr/bin/chromium', debianPackage: 'chromium' };

/** Starts Chromium, for which all names of `example` are this machine. */
export function launch(): Promise<Browser> {
  const off = ['--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({
    executablePath: chromiumProgram.path,
    args: [...off, '--no-sandbox', '--no-first-run', '--host-resolver-rules=MAP *.example 127.0.0.1'],
  });
}

/** Serves an empty page on a port of its own, under every name. */
export async function startPages(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><title>Page</title>'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
