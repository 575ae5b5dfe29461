import { describe } from 'vitest';
import { prismaStore } from '../../src/session/prisma-store.ts';
import type { Store } from '../../src/session/store.ts';
import { memoryStore } from '../../src/session/store.ts';
import { describeDatabases, openDatabase } from '../support/database.ts';
import { deliverySuite } from './delivery-suite.ts';
import type { StoreUnderTest } from './store-suite.ts';
import { storeSuite } from './store-suite.ts';

describe('memoryStore', () => {
  const make = async (): Promise<StoreUnderTest> => {
    let current = memoryStore();
    // A new store behind the same face stands for an emptied one.
    const store = new Proxy({} as Store, { get: (_, verb) => current[verb as keyof Store] });
    return {
      store,
      reset: async () => {
        current = memoryStore();
      },
      close: async () => {},
    };
  };
  storeSuite('memory', make);
  deliverySuite('memory', make);
});

describeDatabases('prismaStore', provider => {
  const make = async (): Promise<StoreUnderTest> => {
    const { prisma, close } = await openDatabase(provider);
    return {
      store: prismaStore(prisma),
      reset: async () => {
        await prisma.mcpSession.deleteMany();
      },
      close,
    };
  };
  storeSuite(provider, make);
  deliverySuite(provider, make);
});
