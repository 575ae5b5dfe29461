import type { BenchOptions } from './options.ts';
import type { Workload } from './workloads.ts';

/** What is to be measured, and what is left out and why. */
export interface Choice {
  readonly workloads: readonly Workload[];
  /** `find-unique-postgresql: PostgreSQL does not answer` */
  readonly leftOut: readonly string[];
}

/**
 * Picks the workloads and their lanes.
 *
 * @throws {TypeError} `--only` names none.
 */
export function choose(workloads: readonly Workload[], { only }: Pick<BenchOptions, 'only'>, postgresAnswers: boolean): Choice {
  for (const start of only) {
    if (!workloads.some(({ name }) => name.startsWith(start)))
      throw new TypeError(`--only ${start}: there is no such workload; see --list`);
  }
  const leftOut: string[] = [];
  const chosen = workloads.flatMap(workload => {
    if (only.length > 0 && !only.some(start => workload.name.startsWith(start))) return [];
    const lanes = workload.lanes.filter(({ database }) => postgresAnswers || database?.provider !== 'postgresql');
    if (lanes.length < workload.lanes.length) {
      const missing = workload.lanes.filter(lane => !lanes.includes(lane)).map(({ name }) => name);
      leftOut.push(`${workload.name} (${missing.join(', ')}): PostgreSQL does not answer`);
    }
    return lanes.length > 0 ? [{ ...workload, lanes }] : [];
  });
  return { workloads: chosen, leftOut };
}
