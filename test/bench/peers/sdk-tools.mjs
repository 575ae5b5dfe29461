import { openPrisma } from '../contenders/prisma.ts';
import { toolsOf, toResult } from '../tools.ts';

/** What registers the tools in an `McpServer`, of either version of the official SDK. Both give the handler a way to notify. */
export async function registrar(setup) {
  const prisma = setup.database && (await openPrisma(setup.database));
  const tools = toolsOf(setup.app);
  return server => {
    for (const { name, description, inputSchema, run, link } of tools) {
      server.registerTool(name, { description, inputSchema }, async (args, context) => {
        const { _meta, notify } = context.mcpReq ?? { _meta: context._meta, notify: context.sendNotification };
        const progressToken = _meta?.progressToken;
        const progress = (progress, total, message) =>
          notify({ method: 'notifications/progress', params: { progressToken, progress, total, message } });
        return toResult({ link }, await run(args, { prisma, progress }));
      });
    }
    return server;
  };
}
