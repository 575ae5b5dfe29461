import { describe } from 'vitest';
import { memoryStore } from '../../src/store/memory-store.ts';
import { prismaStore } from '../../src/store/prisma-store.ts';
import type { Store } from '../../src/store/store.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { storeSuite } from './store-suite.ts';

describe('memoryStore', () => {
  storeSuite('memory', async () => {
    let current = memoryStore();
    // A new store behind the same face stands for an emptied one.
    const store = new Proxy({} as Store, { get: (_, verb) => current[verb as keyof Store] });
    return {
      store,
      other: store,
      reset: async () => {
        current = memoryStore();
      },
      close: async () => {},
    };
  });
});

describeDatabases('prismaStore', provider => {
  storeSuite(provider, async () => {
    const { prisma, connect, close } = await openDatabase(provider);
    return {
      store: prismaStore(prisma),
      other: prismaStore(await connect()),
      reset: async () => {
        await prisma.mcpSession.deleteMany();
        await prisma.mcpEvent.deleteMany();
        await prisma.mcpNode.deleteMany();
        await prisma.mcpContinuation.deleteMany();
        await prisma.mcpTask.deleteMany();
      },
      close,
    };
  });
});
