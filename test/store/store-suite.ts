import type { Store } from '../../src/store/store.ts';
import { continuationSuite } from './continuation-suite.ts';
import { eventSuite } from './event-suite.ts';
import { nodeSuite } from './node-suite.ts';
import { sessionSuite } from './session-suite.ts';
import { taskSuite } from './task-suite.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** The same store as another process sees it. */
  readonly other: Store;
  /** Removes everything. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

/** What every `Store` must do. */
export function storeSuite(name: string, make: () => Promise<StoreUnderTest>): void {
  sessionSuite(name, make);
  eventSuite(name, make);
  nodeSuite(name, make);
  continuationSuite(name, make);
  taskSuite(name, make);
}
