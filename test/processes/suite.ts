import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { callScenarios } from './call-scenarios.ts';
import { clientScenarios } from './client-scenarios.ts';
import type { Cluster } from './cluster.ts';
import { startCluster } from './cluster.ts';
import type { Combination, Place } from './combinations.ts';
import { openPlace } from './combinations.ts';
import { endScenarios } from './end-scenarios.ts';
import { notificationScenarios } from './notification-scenarios.ts';
import { outageScenarios } from './outage-scenarios.ts';
import { restartScenarios } from './restart-scenarios.ts';
import { resumeScenarios } from './resume-scenarios.ts';
import { sseScenarios } from './sse-scenarios.ts';
import { taskScenarios } from './task-scenarios.ts';

/** What scenarios run on. The cluster is there when tests run, not when they are declared. */
export interface Scene {
  readonly cluster: Cluster;
  readonly place: Place;
}

/** How often the processes look by themselves. */
export const lookMs = 250;

/** What requests, streams and clients see while every process runs. */
const everyday = [callScenarios, sseScenarios, notificationScenarios, resumeScenarios, endScenarios, clientScenarios];
/** Processes that are killed or end, and a database that is away: most of each scenario is waiting. */
const faults = [restartScenarios, taskScenarios, outageScenarios];
const scenarios = { everyday, faults, all: [...everyday, ...faults] };

/** What three processes behind a load balancer must do, whatever database and bus they share. */
export function processesSuite(combination: Combination, kind: keyof typeof scenarios = 'all'): void {
  describe(`three processes over ${combination.name}`, () => {
    if (!combination.isAvailable) {
      it('reach their servers', combination.require);
      return;
    }
    let scene: Scene;
    beforeAll(async () => {
      const place = await openPlace(combination);
      const cluster = await startCluster({ ...place.settings, sessions: { lookMs, deadMs: 8000 }, limits: { storeMs: 4000 } });
      scene = { place, cluster };
    });
    afterEach(() => expect(scene.cluster.takeProblems()).toEqual([]));
    afterAll(async () => {
      await scene.cluster[Symbol.asyncDispose]();
      await scene.place[Symbol.asyncDispose]();
    });
    const given = () => scene;
    for (const declare of scenarios[kind]) {
      // Only the way to PostgreSQL can be cut.
      if (declare !== outageScenarios || combination.provider === 'postgresql') declare(given);
    }
  });
}
