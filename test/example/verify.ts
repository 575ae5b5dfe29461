/**
 * `node --import tsx test/example/verify.ts`: starts the example with the README's command and works with it through both official clients.
 * Ends with status 1 and the reason when anything is not as the README says.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as v2 from '@modelcontextprotocol/client';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { freePort } from '../support/free-port.ts';

const folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-verify-'));
const port = await freePort();
const npm = spawn('npm', ['run', 'example'], {
  env: { ...process.env, PORT: String(port), DATABASE_URL: `file:${path.join(folder, 'reservations.db')}` },
  stdio: ['ignore', 'pipe', 'inherit'],
  // A group of its own, so that npm and the app below it end together.
  detached: true,
});
try {
  const url = new URL(await readUrl());
  const requestInit = { headers: { Authorization: 'Bearer demo-ada' } };
  const first = new Client({ name: 'verify-v1', version: '1.0.0' });
  await first.connect(new StreamableHTTPClientTransport(url, { requestInit }));
  const second = new v2.Client({ name: 'verify-v2', version: '1.0.0' });
  await second.connect(new v2.StreamableHTTPClientTransport(url, { requestInit }));
  for (const client of [first, second]) await verify(client as Client);
  console.log(`verified: ${url.href} with both official clients`);
} finally {
  const exit = once(npm, 'exit');
  if (npm.pid !== undefined && npm.exitCode === null) {
    process.kill(-npm.pid, 'SIGTERM');
    await exit;
  }
  await rm(folder, { recursive: true });
}

async function verify(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  assert.ok(
    tools.some(({ name }) => name === 'get_client'),
    'the tool get_client is listed',
  );
  const found = await client.callTool({ name: 'get_client', arguments: { email: 'ada@example.com' } });
  assert.equal((found.structuredContent as { name: string }).name, 'Ada Lovelace');
  const { contents } = await client.readResource({ uri: 'reservations://clients' });
  assert.equal(JSON.parse((contents[0] as { text: string }).text).length, 200);
  const { messages } = await client.getPrompt({ name: 'client_summary', arguments: { client_email: 'ada@example.com' } });
  assert.match(JSON.stringify(messages), /12 bookings .* joined on 2024-01-01/);
  await client.close();
}

/** The URL of the line that the app prints. */
async function readUrl(): Promise<string> {
  let text = '';
  return new Promise((resolve, reject) => {
    npm.stdout.on('data', chunk => {
      text += String(chunk);
      const [, url] = /^reservations: (\S+)/m.exec(text) ?? [];
      if (url !== undefined) resolve(url);
    });
    npm.once('close', code => reject(new Error(`npm run example ended with ${String(code)} before it listened:\n${text}`)));
  });
}
