import { describe, it } from 'vitest';
import { byHand } from './by-hand.ts';
import type { ClientKind } from './client.ts';
import { officialV1 } from './official-v1.ts';
import { officialV2 } from './official-v2.ts';
import { pythonSdk } from './python.ts';

/** Every client that has the whole protocol. (`@google/adk` has tools and resources only, and tests of its own.) */
export const clientKinds: readonly ClientKind[] = [...officialV1, ...officialV2, ...byHand, ...pythonSdk];

/** One suite per client. Where one cannot be run, a single test says so in place of its suite, and fails where `CI` is set. */
export function describeClients(body: (kind: ClientKind) => void): void {
  for (const kind of clientKinds) {
    describe(kind.name, () => {
      if (kind.problem === undefined) body(kind);
      else it('is installed', test => requireClient(kind, test));
    });
  }
}

function requireClient({ problem }: ClientKind, test: { skip: (note?: string) => never }): void {
  if (problem === undefined) return;
  if (process.env['CI'] && !process.env['TEST_WITHOUT']) throw new Error(problem);
  test.skip(problem);
}
