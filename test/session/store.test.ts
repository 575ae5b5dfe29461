import { describe } from 'vitest';
import { prismaStore } from '../../src/session/prisma-store.ts';
import type { SessionStore } from '../../src/session/store.ts';
import { memoryStore } from '../../src/session/store.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { storeSuite } from './store-suite.ts';

describe('memoryStore', () => {
  storeSuite('memory', async () => {
    let current = memoryStore();
    // A new store behind the same face stands for an emptied one.
    const store = new Proxy({} as SessionStore, { get: (_, verb) => current[verb as keyof SessionStore] });
    return {
      store,
      reset: async () => {
        current = memoryStore();
      },
      close: async () => {},
    };
  });
});

describeDatabases('prismaStore', provider => {
  storeSuite(provider, async () => {
    const { prisma, close } = await openDatabase(provider);
    return {
      store: prismaStore(prisma),
      reset: async () => {
        await prisma.mcpSession.deleteMany();
      },
      close,
    };
  });
});
