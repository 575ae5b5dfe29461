import { describe, expect, it } from 'vitest';
import { officialV1 } from '../clients/official-v1.ts';
import { officialV2 } from '../clients/official-v2.ts';
import type { Scene } from './suite.ts';

/** The official clients, which know nothing of processes: every request of theirs goes to the next one. */
export function clientScenarios(scene: () => Scene): void {
  describe.each([...officialV1, ...officialV2].map(kind => [kind.name, kind] as const))('%s', (_, kind) => {
    it('works over processes that take turns: calls, progress, questions, cancellation', async () => {
      await using client = await kind.connect(scene().cluster.origin);
      const steps: number[] = [];
      const counted = await client.callTool('count', { to: 3, stepMs: 20 }, { onProgress: step => steps.push(step) });
      expect([counted.text, steps]).toEqual(['3', [1, 2, 3]]);
      if (kind.can.has('form')) expect((await client.callTool('form')).text).toBe('Ada');
      if (kind.can.has('sample')) expect((await client.callTool('sample')).text).toBe('five, seven, five');
      if (kind.can.has('roots')) expect((await client.callTool('roots')).text).toBe('file:///work');
      const abort = new AbortController();
      const cancelled = client.callTool('say', { key: crypto.randomUUID() }, { signal: abort.signal });
      setTimeout(() => abort.abort(), 50);
      await expect(cancelled).rejects.toThrow();
      const answered = await Promise.all(Array.from({ length: 6 }, () => client.callTool('process')));
      expect(answered.map(({ isError }) => isError)).toEqual(Array.from({ length: 6 }, () => false));
    });
  });
}
