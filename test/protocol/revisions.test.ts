import { describe, expect, it } from 'vitest';
import { findRevision, negotiate, revisionIds, revisions } from '../../src/protocol/revisions.ts';

describe('revisions', () => {
  it('are listed oldest first and found by id', () => {
    const ids = revisions.map(({ id }) => id);
    expect(ids).toEqual([...ids].sort());
    for (const id of ids) expect(findRevision(id)?.id).toBe(id);
    expect(findRevision('__proto__')).toBeUndefined();
  });

  it('list one era newest first', () => {
    expect(revisionIds('legacy')).toEqual(['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05']);
    expect(revisionIds('modern')).toEqual(['2026-07-28']);
  });

  it.each(revisionIds('legacy'))('negotiate %s as asked', id => {
    expect(negotiate(id).id).toBe(id);
  });

  it.each(['2026-07-28', '2099-01-01', '1.0', '', 'constructor'])('counter-offer the newest with a handshake for %j', id => {
    expect(negotiate(id).id).toBe('2025-11-25');
  });
});
