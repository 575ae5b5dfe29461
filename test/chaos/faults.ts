import { databaseFaults } from './database-faults.ts';
import type { Fault, FaultName } from './fault.ts';
import type { ChaosPlace } from './place.ts';
import { processFaults } from './process-faults.ts';

export const faults: readonly Fault[] = [...processFaults, ...databaseFaults];

/** The faults of a run, and those that this machine cannot make. @throws {TypeError} A wanted one does not apply to the choice. */
export function chooseFaults(wanted: readonly FaultName[] | undefined, place: ChaosPlace): { chosen: Fault[]; left: Fault[] } {
  const applying = faults.filter(fault => fault.applies(place));
  for (const name of wanted ?? [])
    if (!applying.some(fault => fault.name === name))
      throw new TypeError(`--fault ${name}: does not apply to ${place.provider} with --bus ${place.bus}`);
  const asked = applying.filter(({ name }) => wanted?.includes(name) ?? true);
  const chosen = asked.filter(({ needs }) => needs === undefined || place[needs] !== undefined);
  return { chosen, left: asked.filter(fault => !chosen.includes(fault)) };
}
