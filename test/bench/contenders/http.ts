import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:http';
import type { Setup } from '../setup.ts';
import type { BareMessage } from './bare.ts';
import { answer, bare, streamHeaders } from './bare.ts';
import { listen } from './listen.ts';

/** Bare `node:http`: the least that Node can do. */
export async function serve(setup: Setup): Promise<number> {
  const app = await bare(setup);
  const server = createServer((request, response) => {
    const respond = async () => {
      const message = JSON.parse(await readBody(request)) as BareMessage;
      const answered = await answer(app, message, request.headers['mcp-protocol-version']);
      if ('stream' in answered) {
        response.writeHead(200, streamHeaders);
        answered.stream.pipe(response);
        return;
      }
      response.writeHead(200, {
        ...answered.headers,
        'Content-Type': 'application/json; charset=utf-8',
        'Content-Length': Buffer.byteLength(answered.json),
      });
      response.end(answered.json);
    };
    respond().catch((error: unknown) => {
      if (!request.destroyed) console.error(error);
      response.destroy();
    });
  });
  return listen(server);
}

function readBody(request: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => resolve(Buffer.concat(chunks).toString()));
    request.on('error', reject);
  });
}
