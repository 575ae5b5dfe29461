import type { AddressInfo } from 'node:net';
import Koa from 'koa';
import type { McpMiddleware } from '../../src/index.ts';
import { mcp } from '../../src/index.ts';
import { asking } from './fixture/asking.ts';
import { prompts } from './fixture/prompts.ts';
import { resources } from './fixture/resources.ts';
import { tasks } from './fixture/tasks.ts';
import { tools } from './fixture/tools.ts';

// The server that the conformance suite asks for: all it looks for by name, said with the public API. It prints its URL when it listens.

const endpoint: McpMiddleware = mcp({
  name: 'conformance',
  version: '1.0.0',
  tools: {
    ...tools,
    ...asking,
    ...tasks,
    test_trigger_tool_change: {
      description: 'Tells subscribers that the list of tools has changed',
      handler: async () => {
        await endpoint.listChanged('tools');
        return 'Told';
      },
    },
    test_trigger_prompt_change: {
      description: 'Tells subscribers that the list of prompts has changed',
      handler: async () => {
        await endpoint.listChanged('prompts');
        return 'Told';
      },
    },
  },
  prompts,
  resources,
});

const server = new Koa().use(endpoint).listen(0, '127.0.0.1', () => {
  // The suite sends `Host: localhost`; it has to be the name in the URL, too.
  process.stdout.write(`http://localhost:${(server.address() as AddressInfo).port}/mcp\n`);
});

process.once('SIGTERM', () => {
  void endpoint.close({ deadlineMs: 0 }).then(() => {
    server.closeAllConnections();
    server.close();
  });
});
