import { spawn } from 'node:child_process';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { OwnServer } from '../chaos/own-server.ts';
import { serve } from '../chaos/own-server.ts';
import { freePort } from '../support/free-port.ts';
import { describeWith } from '../support/program.ts';

const program = { path: '/usr/sbin/nginx', debianPackage: 'nginx' };

/** A suite that needs nginx. Where that is not installed, a single test says so in place of the suite, and fails where `CI` is set. */
export function describeNginx(title: string, body: () => void): void {
  describeWith(program, title, body);
}

/**
 * Starts an nginx with one server, on a port of its own.
 *
 * @param directives What stands in the block `server`, without `listen`.
 */
export async function startNginx(directives: string): Promise<OwnServer<'SIGTERM'>> {
  const folder = await mkdtemp(path.join(tmpdir(), 'koa-mcp-nginx-'));
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${name};`);
  // One process in the foreground.
  await writeFile(
    path.join(folder, 'nginx.conf'),
    `daemon off;
master_process off;
pid nginx.pid;
events {}
http {
  access_log off;
  ${temporary.join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    ${directives}
  }
}
`,
  );
  const url = `http://127.0.0.1:${port}`;
  const run = () => spawn(program.path, ['-p', folder, '-e', 'stderr', '-c', 'nginx.conf'], { stdio: 'ignore' });
  const answers = () =>
    fetch(url).then(
      () => true,
      () => false,
    );
  return serve({ name: 'nginx', url, folder, run, lastSignal: 'SIGTERM', answers });
}
