import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { unifiedDiff } from '../../src/cli/diff.ts';

describe('the diff of two texts', () => {
  it('shows changed lines with three lines around them', () => {
    const lines = Array.from({ length: 20 }, (_, index) => `line ${index + 1}`);
    const after = lines.with(9, 'new');
    expect(unifiedDiff('a.txt', `${lines.join('\n')}\n`, `${after.join('\n')}\n`)).toBe(
      '--- a/a.txt\n+++ b/a.txt\n@@ -7,7 +7,7 @@\n line 7\n line 8\n line 9\n-line 10\n+new\n line 11\n line 12\n line 13\n',
    );
  });

  it('is empty for equal texts', () => {
    expect(unifiedDiff('a.txt', 'one\n', 'one\n')).toBe('');
  });

  it('turns one text into the other when git applies it', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'koa-mcp-diff-'));
    const file = path.join(folder, 'a.txt');
    const text = fc
      .tuple(fc.array(fc.constantFrom('a\n', 'b\n', '\n', 'c\r\n'), { maxLength: 12 }), fc.constantFrom('', 'end'))
      .map(([lines, end]) => lines.join('') + end);
    const property = fc.property(text, text, (before, after) => {
      fc.pre(before !== '' && after !== '');
      writeFileSync(file, before);
      const input = unifiedDiff('a.txt', before, after);
      if (input !== '') execFileSync('git', ['apply', '--unidiff-zero', '--whitespace=nowarn', '-'], { cwd: folder, input, stdio: 'pipe' });
      expect(readFileSync(file, 'utf8')).toBe(after);
    });
    fc.assert(property, { numRuns: 30, seed: 7 });
    rmSync(folder, { recursive: true });
  });
});
