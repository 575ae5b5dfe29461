import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { createApp } from './app.ts';
import { openBus, openDatabase } from './database.ts';

const { prisma, datamodel } = await openDatabase(process.env['DATABASE_URL']);
const bus = openBus(process.env['DATABASE_URL']);
const { app, endpoint } = createApp(prisma, datamodel, bus);
const requestedPort = Number(process.env['PORT'] ?? 3000);
const host = process.env['HOST'] ?? '127.0.0.1';
const server = app.listen(requestedPort, host);
await once(server, 'listening').catch((error: NodeJS.ErrnoException) => {
  console.error(`reservations: ${error.code === 'EADDRINUSE' ? `${host}:${requestedPort} is taken; set PORT` : error.message}`);
  process.exit(1);
});

const { address, family, port } = server.address() as AddressInfo;
const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/mcp`;
console.log(
  `reservations: ${url} – connect with: claude mcp add --transport http reservations ${url} --header "Authorization: Bearer demo-ada"`,
);

// In a cluster: tells `cluster.ts` where this process listens, and ends with it.
process.send?.({ port });

let isClosing = false;
for (const event of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
  process.once(event, () => {
    if (!isClosing) void close();
    isClosing = true;
  });
}

async function close(): Promise<void> {
  // While `drain` runs, the load balancer and the clients switch to other processes.
  await endpoint.drain();
  const closed = once(server, 'close');
  server.close();
  await endpoint.close();
  // Open requests are answered 503 now: give the answers a second to leave.
  await Promise.race([closed, delay(1000)]);
  server.closeAllConnections();
  await closed;
  await bus?.close();
  await prisma.$disconnect();
  if (process.connected) process.disconnect();
}
