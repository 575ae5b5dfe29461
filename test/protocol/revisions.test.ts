import { describe, expect, it } from 'vitest';
import type { Revision } from '../../src/protocol/revisions.ts';
import { findRevision, negotiate, revisionIds, revisions } from '../../src/protocol/revisions.ts';
import { membersOf } from '../support/revision-schemas.ts';

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

describe.each(revisions)('$id, held to the schema of its specification,', ({ id, fields, contentFields, contentTypes }: Revision) => {
  it.each([
    ['tool', 'Tool'],
    ['resource', 'Resource'],
    ['resourceTemplate', 'ResourceTemplate'],
    ['prompt', 'Prompt'],
    ['promptArgument', 'PromptArgument'],
    ['implementation', 'Implementation'],
  ] as const)('has all members of a %s', (item, type) => {
    // The schema of 2024-11-05, which is made from the next one, has the size that came with that.
    const left: Record<string, string> = id === '2024-11-05' ? { resource: 'size' } : {};
    expect(fields[item].toSorted()).toEqual(
      membersOf(id, type)
        .filter(member => member !== left[item])
        .toSorted(),
    );
  });

  const contents = {
    text: 'TextContent',
    image: 'ImageContent',
    audio: 'AudioContent',
    resource: 'EmbeddedResource',
    resource_link: 'ResourceLink',
  };

  it('has all types of content', () => {
    const defined = Object.entries(contents).filter(([, type]) => membersOf(id, type).length > 0);
    expect([...contentTypes].toSorted()).toEqual(defined.map(([part]) => part).toSorted());
  });

  it.each([
    ...Object.entries(contents),
    ['contents', 'TextResourceContents'],
    ['contents', 'BlobResourceContents'],
    ['annotations', 'Annotations'],
  ])('leaves out no member of %s (%s)', (part, type) => {
    // A revision without such a list leaves out nothing at all.
    const sent = contentFields === undefined ? membersOf(id, type) : contentFields[part];
    for (const member of membersOf(id, type)) expect(sent).toContain(member);
  });
});
