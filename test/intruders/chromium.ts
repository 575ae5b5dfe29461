import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';
import { describeWith } from '../support/program.ts';

const program = { path: '/usr/bin/chromium', debianPackage: 'chromium' };

/** A suite in Chromium. Where that is not installed, a single test says so in place of the suite, and fails where `CI` is set. */
export function describeChromium(title: string, body: () => void): void {
  describeWith(program, title, body);
}

/** Starts Chromium, for which all names of `example` are this machine. */
export function launch(): Promise<Browser> {
  const off = ['--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
  return chromium.launch({
    executablePath: program.path,
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
