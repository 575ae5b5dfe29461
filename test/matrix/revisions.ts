import { describe } from 'vitest';
import type { ErrorRow } from '../../src/errors.ts';
import { errorTable } from '../../src/errors.ts';
import type { Revision } from '../../src/protocol/revisions.ts';
import { revisions } from '../../src/protocol/revisions.ts';
import type { TestServer } from '../support/server.ts';
import { start } from '../support/server.ts';
import { everything } from './app.ts';

/** Runs a suite for every revision. What it expects, it reads from the revision's row. */
export function describeRevisions(title: string, body: (row: Revision) => void): void {
  describe.each(revisions.map(row => [row.id, row] as const))(`${title} in %s`, (_, row) => body(row));
}

/** HTTP status of an error in a revision. */
export function statusOf({ era }: Revision, { status, modernStatus }: ErrorRow): number {
  return era === 'modern' ? (modernStatus ?? status) : status;
}

export { errorTable };

/** The matrix' app, served. */
export async function startEverything(): Promise<TestServer & { happened: ReturnType<typeof everything>['happened'] }> {
  const { options, happened } = everything();
  return Object.assign(await start(options), { happened });
}
