import { createServer } from 'node:http';
import { FastMCP } from 'fastmcp';
import { listen } from '../contenders/listen.ts';
import { openPrisma } from '../contenders/prisma.ts';
import { toolsOf, toResult } from '../tools.ts';

/** fastmcp with its own HTTP server and its sessions. */
export async function serve(setup) {
  const prisma = setup.database && (await openPrisma(setup.database));
  const server = new FastMCP({ name: 'bench', version: '1.0.0', logger: silent });
  for (const { name, description, inputSchema, run, link } of toolsOf(setup.app)) {
    server.addTool({
      name,
      description,
      parameters: inputSchema,
      execute: async (args, { reportProgress }) => {
        const progress = (progress, total, message) => reportProgress({ progress, total, message });
        return toResult({ link }, await run(args, { prisma, progress }));
      },
    });
  }
  // It takes no port 0: a free one is found first.
  const probe = createServer();
  const port = await listen(probe);
  await new Promise(resolve => probe.close(resolve));
  const httpStream = { port, host: '127.0.0.1', enableJsonResponse: !setup.streams };
  await server.start({ transportType: 'httpStream', httpStream });
  return port;
}

const nothing = () => {};
const silent = { debug: nothing, error: console.error, info: nothing, log: nothing, warn: nothing };
