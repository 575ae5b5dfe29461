import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import express from 'express';
import { listen } from '../contenders/listen.ts';
import { registrar } from './sdk-tools.mjs';

/** The official SDK v1 on Express, with a transport and a server for each session. */
export async function serve(setup) {
  const register = await registrar(setup);
  const transports = new Map();
  const open = async () => {
    const transport = new StreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      enableJsonResponse: !setup.streams,
      onsessioninitialized: id => void transports.set(id, transport),
    });
    await register(new McpServer({ name: 'bench', version: '1.0.0' })).connect(transport);
    return transport;
  };
  const app = express();
  app.use(express.json());
  app.post('/mcp', async (request, response) => {
    const { body } = request;
    const transport = transports.get(request.get('mcp-session-id')) ?? (isInitializeRequest(body) ? await open() : undefined);
    if (transport === undefined) return void response.sendStatus(404);
    await transport.handleRequest(request, response, body);
  });
  // What Express would log of connections that the load generator cut.
  app.use((error, _request, response, _next) => {
    if (error.type !== 'request.aborted') console.error(error);
    response.destroy();
  });
  return listen(createServer(app));
}
